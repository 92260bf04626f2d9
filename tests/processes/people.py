"""What a person does in a world, in one process each: python -m tests.processes.people start FILE..."""

import sys
from pathlib import Path

import django
from django.core.management import call_command


def start(paths: list[str]) -> None:
    """Migrate, store each file as a batch and start it. Every row has to be accepted."""
    from calls.actions import start_batch
    from calls.intake.loading import load_file

    call_command("migrate", verbosity=0)
    for path in map(Path, paths):
        batch = load_file(path.read_bytes(), name=path.name)
        assert not batch.rejected, batch.rejected_lines.values_list("problems", flat=True)[0]
        start_batch(batch=batch, by=None)


def go_on() -> None:
    """Let every held row and every batch that paused itself go on."""
    from calls.actions import release_hold, start_batch
    from calls.models import Batch, CallRow
    from calls.vocabulary import BatchState

    for row in CallRow.objects.exclude(hold_reason=""):
        release_hold(row=row, by=None)
    for batch in Batch.objects.filter(state=BatchState.PAUSED).exclude(paused_reason=""):
        start_batch(batch=batch, by=None)


if __name__ == "__main__":
    django.setup()
    start(sys.argv[2:]) if sys.argv[1] == "start" else go_on()
