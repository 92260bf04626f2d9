import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone
from django_q.models import OrmQ

from calls.engine.leasing import revoke_all
from calls.management.commands.setup_schedules import SLICES
from calls.management.heartbeat import QueueRow, Signs, Watch
from calls.models import Lease
from calls.supervising import Program, Supervisor
from calls.tasks import wake

KICKS = (2.0, 12.0)  # seconds after a start; a lease whose holder was killed ends after 10 s
STOP_SECONDS = 30.0
QUEUE_ROWS_SEEN = 200


class Command(BaseCommand):
    help = "Run the worker, and start it again when it dies or falls silent. Ends on SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("setup_schedules", stdout=self.stdout)
        carer = Carer()
        worker = Program(
            name="worker",
            command=[sys.executable, settings.BASE_DIR / "manage.py", "qcluster"],
            ailment=carer.ailment,
            while_stopping=carer.end_slices,
            patience=STOP_SECONDS,
        )
        Supervisor([worker], report=self.report).run()
        carer.wake(SLICES)  # other machines' slices have ended with ours

    def report(self, name: str, text: str) -> None:
        self.stderr.write(f"{name}: {text}")


class Carer:
    """Wakes a new worker, asks how it is, ends its slices. A database out of reach is not the worker's fault."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.age = 0.0
        self.has_begun = False

    def ailment(self, age: float) -> str:
        before, self.age = self.age, age
        if age < before or not self.has_begun:
            before, self.has_begun = 0.0, False
        with database_permitting():
            return self.look(before, age)
        self.has_begun = False  # nobody could beat meanwhile: the worker gets its time again
        return ""

    def look(self, before: float, age: float) -> str:
        signs = read_signs()
        if not self.has_begun:
            self.watch.begin(signs)
            self.has_begun = True
        self.wake(self.watch.quiet(signs))
        if any(before < kick <= age for kick in KICKS):
            self.wake(SLICES)
        return self.watch.ailment(signs)

    def end_slices(self) -> None:
        with database_permitting():
            revoke_all()

    def wake(self, names: Iterable[str]) -> None:
        """What can be read may be locked all the same, by a process of the worker that stands still."""
        with database_permitting():
            for name in names:
                wake(name)


@contextmanager
def database_permitting() -> Iterator[None]:
    close_old_connections()
    try:
        yield
    except (DatabaseError, InterfaceError):
        close_old_connections()


def read_signs() -> Signs:
    beats: dict[str, Any] = dict.fromkeys(SLICES)
    beats |= Lease.objects.filter(name__in=SLICES).values_list("name", "beat_at")
    queue = OrmQ.objects.order_by("lock").values_list("pk", "lock")[:QUEUE_ROWS_SEEN]
    return Signs(beats, [QueueRow(*row) for row in queue], timezone.now())
