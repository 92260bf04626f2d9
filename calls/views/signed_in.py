"""What every view of the pages is given."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class Request(HttpRequest):
    """For the type checker: a signed-in user (`SignInRequired`) and what htmx says of itself."""

    user: User
    htmx: HtmxDetails
