import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from calls.management.batches import batch_or_error
from calls.reports import batch_counts


class Command(BaseCommand):
    help = "Say where the rows of a batch stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        status = batch_counts(batch_or_error(batch)).as_json()
        self.stdout.write(json.dumps(status, indent=2) if options["json"] else as_text(status))


def as_text(status: dict[str, Any]) -> str:
    lines = [f"Batch {status['batch']} is {status['state']}, {status['rows']} rows."]
    for title in ("by_phase", "held", "outcomes"):
        counts = {name: count for name, count in status[title].items() if count}
        lines += [f"  {name.replace('_', ' ')}: {count}" for name, count in counts.items()]
    return "\n".join(lines)
