"""Settings, all of them from the environment (or `.env` beside manage.py). README lists each with its default."""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")  # the real environment wins over the file


def secret_from_env(name: str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE points to; empty when neither is set."""
    path = env.str(f"{name}_FILE", "")
    return env.str(name, "") or (Path(path).read_text().strip() if path else "")


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


# --- The Evergrove API (R1, R3) -------------------------------------------------------------------
API_KEY = secret_from_env("API_KEY")
API_KEY_NEXT = secret_from_env("API_KEY_NEXT")
API_KEY_ISSUED_ON = env.str("API_KEY_ISSUED_ON", "")  # YYYY-MM-DD
API_KEY_ROTATION_DAYS = env.int("API_KEY_ROTATION_DAYS", 90)
PRACTICE_MODE = not API_KEY  # no key: the sandbox answers and no phone rings

SANDBOX_PORT = env.int("SANDBOX_PORT", 8900)
SANDBOX_API_KEY = env.str("SANDBOX_API_KEY", "practice-key")

API_URL = env.str("API_URL", "").rstrip("/")
if PRACTICE_MODE:
    API_KEY, API_KEY_NEXT = SANDBOX_API_KEY, ""
    API_URL = API_URL if is_loopback(API_URL) else f"http://127.0.0.1:{SANDBOX_PORT}"
API_URL = API_URL or "https://agent-api.evergrovelabs.com"
if not API_URL.startswith("https://") and not is_loopback(API_URL):
    raise ImproperlyConfigured(
        "API_URL must start with https:// (only a loopback address may use http)."
    )

# --- The engine -----------------------------------------------------------------------------------
RESPECT_CALLING_HOURS = env.bool("RESPECT_CALLING_HOURS", not PRACTICE_MODE)  # R63
WAIT_FOR_APPOINTMENT = env.bool("WAIT_FOR_APPOINTMENT", True)  # R53
TRIGGER_CONFIRM_WAIT = env.float("TRIGGER_CONFIRM_WAIT", 120.0)  # seconds, R71
TRIGGER_RETRY = env.str("TRIGGER_RETRY", "auto")  # auto or hold, R71
SCHEDULE_CHUNK = env.int("SCHEDULE_CHUNK", 50)  # R32
API_CONCURRENCY = env.int("API_CONCURRENCY", 32)  # requests in flight per kind of task, R5
CALL_TIMEOUT_HOURS = env.float("CALL_TIMEOUT_HOURS", 72.0)  # R79
OUTCOME_GRACE_HOURS = env.float("OUTCOME_GRACE_HOURS", 24.0)  # R80
SSN_POLICY = env.str("SSN_POLICY", "as_given")  # as_given, last4 or none, R43
if not 1 <= TRIGGER_CONFIRM_WAIT <= 86_400:  # without a wait a late trigger would be sent again
    raise ImproperlyConfigured("TRIGGER_CONFIRM_WAIT must be between 1 and 86400 (seconds).")
if TRIGGER_RETRY not in {"auto", "hold"}:
    raise ImproperlyConfigured("TRIGGER_RETRY must be auto or hold.")
if SSN_POLICY not in {"as_given", "last4", "none"}:
    raise ImproperlyConfigured("SSN_POLICY must be as_given, last4 or none.")

# --- Whose database this is -----------------------------------------------------------------------
# Several machines on one database share an INSTANCE_ID; without it a file and its machine make one.
INSTANCE_ID = env.str("INSTANCE_ID", "")
INSTANCE_FILE = env.str("INSTANCE_FILE", str(BASE_DIR / ".instance"))

# --- Intake (R55) ---------------------------------------------------------------------------------
UPLOAD_MAX_MB = env.int("UPLOAD_MAX_MB", 25)
UPLOAD_MAX_ROWS = env.int("UPLOAD_MAX_ROWS", 100_000)
# An upload stays in memory: a temporary file would leave patient data on the disk.
FILE_UPLOAD_HANDLERS = ["calls.views.files.MemoryOnly"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

# --- Django ---------------------------------------------------------------------------------------
SECRET_KEY = secret_from_env("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. `make install` writes a .env with a new one."
    )
# Keys of the encrypted columns, newest first; without them one is derived from SECRET_KEY.
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[])
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SUPPORT_CONTACT = env.str("SUPPORT_CONTACT", "")
LOG_LEVEL = env.str("LOG_LEVEL", "INFO")

INSTALLED_APPS = [
    "calls.apps.CallsConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_q",
    "allauth",
    "allauth.account",
    "allauth.mfa",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "evergrove_dash.middleware.security_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "evergrove_dash.middleware.SignInRequired",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "evergrove_dash.urls"
WSGI_APPLICATION = "evergrove_dash.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "calls.views.frame.frame",
            ],
        },
    }
]

# --- Database -------------------------------------------------------------------------------------
# synchronous=FULL: a trigger intent lost with the power would allow a second call.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA cache_size=-16000;"
        "PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=27103364;PRAGMA temp_store=MEMORY;"
    ),
}
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = None
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- The worker -----------------------------------------------------------------------------------
# A task carries no data and is harmless when lost, doubled or late: it only asks the database what is due.
Q_CLUSTER = {
    "name": "evergrove",
    "label": "Evergrove worker",
    "orm": "default",
    "workers": 3,
    "queue_limit": 3,
    "timeout": 30,  # a slice of the engine ends after 20 s
    "retry": 45,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 50,
    "poll": 0.2,
}

# --- Signing in -----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["evergrove_dash.signing_in.NoPracticeBesideTheRealApi"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
ACCOUNT_ADAPTER = "evergrove_dash.middleware.ClosedSignUp"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Evergrove Dash"
SESSION_COOKIE_AGE = 10 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Login rate limits must be counted across web workers.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"},
}

# --- Transport ------------------------------------------------------------------------------------
HTTPS_ONLY = env.bool("HTTPS_ONLY", not is_loopback(API_URL))
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes speak to the web server itself
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
if env.bool("BEHIND_PROXY", False):  # the proxy sets X-Forwarded-Proto itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# --- Static files, time, logs ---------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", "America/New_York")  # the viewers' zone; offices have their own
USE_I18N = False
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "calls": {"level": LOG_LEVEL},
        "django": {"level": "WARNING"},
        # At INFO its lines would drown ours; the worker's health is our own heartbeat.
        "django-q": {"level": "WARNING", "handlers": ["console"], "propagate": False},
        "httpx": {"level": "WARNING"},  # its INFO lines carry whole URLs
    },
}
