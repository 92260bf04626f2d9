from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from calls.actions import reconcile


class Command(BaseCommand):
    help = (
        "Ask Evergrove about every open call before anything is started: after a backup was put back, or "
        "whenever Evergrove may know more than this database."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="kept in the record")

    def handle(self, *args: Any, reason: str, **options: Any) -> None:
        count = reconcile(by=None, reason=reason)
        self.stdout.write(
            f"Open calls that Evergrove is asked about: {count}. Nothing is started before that. Batches "
            "with calls that were not started yet wait for a person."
        )
