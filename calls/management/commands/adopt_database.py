from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.actions import Refused, adopt_database


class Command(BaseCommand):
    help = (
        "Take over a database that was copied or moved here. Only when no other installation calls from it, "
        "or from a copy of it, any more: otherwise offices are called twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="kept in the record; no patient data")

    def handle(self, *args: Any, reason: str, **options: Any) -> None:
        try:
            count = adopt_database(by=None, reason=reason)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            f"This database is taken over. Open calls that Evergrove is asked about first: {count}."
        )
