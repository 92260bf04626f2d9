from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django_q.models import Schedule

SLICES = ("dispatch", "poll")
EACH_MINUTE = {"schedule_type": Schedule.MINUTES, "minutes": 1}
DAILY = {"schedule_type": Schedule.DAILY, "minutes": None}
FORGETTING = ("forget_old_files", "forget_old_sessions")
SCHEDULES = {**dict.fromkeys(SLICES, EACH_MINUTE), **dict.fromkeys(FORGETTING, DAILY)}


class Command(BaseCommand):
    help = "Make sure of the worker's schedules and of the cache table. Harmless to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in SCHEDULES:
            self.stdout.write(f"Schedule {name}: {set_up(name)}.")
        self.stdout.write(f"Cache table: {create_cache_table()}.")


def set_up(name: str) -> str:
    """One schedule that wakes `calls.tasks.<name>`. A changed one is put right."""
    wanted = {
        "func": f"calls.tasks.{name}",
        **SCHEDULES[name],
        "repeats": -1,
        "args": None,
        "kwargs": "q_options={'save': False, 'ack_failure': True}",
        "cluster": None,
    }
    found = Schedule.objects.filter(name=name).order_by("pk").first()
    if found is None:
        Schedule.objects.create(name=name, **wanted)
        return "created"
    Schedule.objects.filter(name=name).exclude(pk=found.pk).delete()
    different = {key: value for key, value in wanted.items() if getattr(found, key) != value}
    if not different:
        return "there already"
    Schedule.objects.filter(pk=found.pk).update(**different)
    return "put right"


def create_cache_table() -> str:
    """Sign-in rate limits are counted here, for all web workers together."""
    cache = settings.CACHES["default"]
    if not cache["BACKEND"].endswith(".DatabaseCache"):
        return "not needed"
    if cache["LOCATION"] in connection.introspection.table_names():
        return "there already"
    call_command("createcachetable", verbosity=0)
    return "created"
