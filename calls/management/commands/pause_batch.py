from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from calls.actions import Refused, pause_batch
from calls.management.batches import batch_or_error


class Command(BaseCommand):
    help = "Start no further call of a batch. Calls under way cannot be stopped and will finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int)

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        try:
            pause_batch(batch=batch_or_error(batch), by=None)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"Batch {batch} is paused. Calls under way will finish.")
