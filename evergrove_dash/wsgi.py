"""The WSGI entry point that `manage.py serve` hands to gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evergrove_dash.settings")

application = get_wsgi_application()
