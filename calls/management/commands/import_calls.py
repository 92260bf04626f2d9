import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from calls.intake.loading import load_file
from calls.intake.reading import FileRefused
from calls.models import Batch

ALL_ACCEPTED, SOME_REJECTED, FILE_REFUSED = 0, 1, 2


class Command(BaseCommand):
    help = "Store the good rows of a calls file as a draft batch and report every problem of the others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--name", help="the batch's name (default: the file's)")
        parser.add_argument("--sheet", default="", help="which sheet of a workbook has the calls")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--derive-reference",
            action="store_true",
            help="give rows a stable reference where the file has no such column (R37)",
        )

    def handle(self, *args: Any, file: Path, name: str | None, json: bool, **options: Any) -> None:
        try:
            batch = load_file(
                file.read_bytes(),
                name=name or file.name,
                derive_reference=options["derive_reference"],
                sheet=options["sheet"],
            )
        except FileRefused as refusal:
            self.refuse(refusal.code, refusal.message, as_json=json)
        except OSError as error:
            self.refuse("unreadable_file", error.strerror or "cannot be read", as_json=json)
        result = result_of(batch)
        self.stdout.write(as_json(result) if json else as_text(batch, result))
        sys.exit(SOME_REJECTED if batch.rejected else ALL_ACCEPTED)

    def refuse(self, code: str, message: str, *, as_json: bool) -> None:
        problem = {"line": 0, "column": "", "code": code, "message": message}
        result = {
            "batch": None,
            "accepted": 0,
            "rejected": 0,
            "unchanged": 0,
            "problems": [problem],
        }
        if as_json:
            self.stdout.write(json.dumps(result, indent=2))
        else:
            self.stderr.write(message)
        sys.exit(FILE_REFUSED)


def result_of(batch: Batch) -> dict[str, Any]:
    """The contract of `import_calls --json`."""
    lines = batch.rejected_lines.order_by("line").values_list("problems", flat=True)
    keys = ("line", "column", "code", "message")
    return {
        "batch": batch.pk,
        "accepted": batch.accepted,
        "rejected": batch.rejected,
        "unchanged": batch.unchanged,
        "problems": [{key: p[key] for key in keys} for problems in lines for p in problems],
    }


def as_json(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=2)


def as_text(batch: Batch, result: dict[str, Any]) -> str:
    head = (
        f"Batch {batch.pk}: {batch.accepted} accepted, {batch.rejected} rejected, "
        f"{batch.unchanged} unchanged."
    )
    problems = [f"  line {p['line']}, {p['column']}: {p['message']}" for p in result["problems"]]
    return "\n".join([head, *batch.notices, *problems])
