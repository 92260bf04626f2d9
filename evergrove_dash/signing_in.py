"""Who may sign in, and stay signed in."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings

# The address of the account that practice mode makes. Its password stands in a file.
PRACTICE_EMAIL = "coordinator@practice.invalid"


class NoPracticeBesideTheRealApi(AuthenticationBackend):  # type: ignore[misc]  # allauth is untyped
    """With a real key the practice account is nobody's, whatever process answers and whoever was signed in."""

    def user_can_authenticate(self, user: Any) -> bool:
        is_practice = user.email == PRACTICE_EMAIL
        return bool(super().user_can_authenticate(user)) and (
            settings.PRACTICE_MODE or not is_practice
        )
