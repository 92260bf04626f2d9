from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calls.management.practice import USERNAME, open_account
from calls.management.sample import ROWS, sample_file

SAMPLE = "sample-calls.csv"


class Command(BaseCommand):
    help = "Practice mode only: an account to sign in with and a sample file to upload. Harmless to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, default=settings.BASE_DIR / SAMPLE)

    def handle(self, *args: Any, output: Path, **options: Any) -> None:
        if not settings.PRACTICE_MODE:
            raise CommandError("This is for practice mode, and API_KEY is set. Nothing was done.")
        password = open_account()
        output.write_text(sample_file(timezone.localdate()), encoding="utf-8")
        self.stdout.write(f"Sign in as {USERNAME} with the password {password}")
        self.stdout.write(f"Upload {output.name}: {ROWS} calls, some of them wrong on purpose")
