from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.actions import Refused, start_batch
from calls.management.batches import batch_or_error


class Command(BaseCommand):
    help = "Start a batch, or let a paused one go on. The worker makes the calls."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int)
        parser.add_argument("--ignore-calling-hours", action="store_true")

    def handle(self, *args: Any, batch: int, ignore_calling_hours: bool, **options: Any) -> None:
        found = batch_or_error(batch)
        try:
            start_batch(batch=found, by=None, ignore_calling_hours=ignore_calling_hours or None)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Batch {batch} is running.")
