"""Who asks."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest


def person(request: HttpRequest) -> User:
    """The signed-in user; the middleware lets nobody else reach a view."""
    return cast(User, request.user)
