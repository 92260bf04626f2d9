"""The WSGI entry point that `manage.py serve` hands to gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.umask(0o077)  # as in manage.py: the files of SQLite hold patient data
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evergrove_dash.settings")

application = get_wsgi_application()
