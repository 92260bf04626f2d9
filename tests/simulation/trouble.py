"""What happens to a process and its database in the middle of things: deaths, failing writes, meddling."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from django.db import OperationalError, connection
from django.db.transaction import Atomic


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass(frozen=True)
class Luck:
    """How bad a world is; each number is a chance."""

    faults: float = 0.0  # of a request
    kills: float = 0.0  # of a worker's turn, and half as often of either end of a request
    freezes: float = 0.0  # of either end of a request, and between an intent and its request
    meddling: float = 0.0  # that a rival or a person acts before a transaction begins
    database: float = 0.0  # of a turn: a statement or a commit fails
    jumps: float = 0.0  # of a turn: the wall clock is set back or forward
    losses: float = 0.0  # before a turn: the database is replaced by an older copy

    @classmethod
    def drawn(cls, rng: random.Random, density: float = 1.0) -> "Luck":
        return cls(
            faults=min(1.0, density * rng.choice([0.15, 0.3, 0.6]) * rng.random()),
            kills=density * rng.choice([0, 0, 0.02, 0.08]),
            freezes=density * rng.choice([0, 0, 0.03, 0.1]),
            meddling=density * rng.choice([0, 0, 0.02, 0.06]),
            database=density * rng.choice([0, 0, 0.03, 0.15]),
            jumps=density * rng.choice([0, 0, 0, 0.05]),
        )


WRITES = ("INSERT", "UPDATE", "DELETE")
SPOTS = ("statement", "statement", "before commit", "after commit")


class Trap:
    """Armed for one turn: at its n-th statement or commit the process dies, or the database fails.

    A full disk goes on failing: after it every write of the turn fails too.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.spot, self.countdown, self.deadly, self.lasts, self.sprung = "", 0, False, False, False

    def arm(self, *, deadly: bool) -> None:
        self.spot = self.rng.choice(SPOTS if deadly else SPOTS[:3])
        self.countdown = self.rng.randint(1, 60 if self.spot == "statement" else 12)
        self.deadly, self.lasts = deadly, not deadly and self.rng.random() < 0.4

    def disarm(self) -> None:
        self.spot, self.sprung = "", False

    def pass_by(self, spot: str) -> bool:
        """Whether the trap springs here."""
        if spot != self.spot:
            return False
        self.countdown -= 1
        if self.countdown > 0:
            return False
        self.spot, self.sprung = "", True
        return True

    def spring(self) -> None:
        if self.deadly:
            raise Killed
        raise OperationalError("database or disk is full" if self.lasts else "database is locked")

    def at_statement(self, sql: str) -> None:
        if self.sprung and self.lasts and sql.startswith(WRITES):
            self.spring()
        if sql.startswith(("SELECT", *WRITES)) and self.pass_by("statement"):
            self.spring()


@contextmanager
def watched_database(
    trap: Trap, *, is_watched: Callable[[], bool], between_transactions: Callable[[], None]
) -> Iterator[None]:
    """Springs the trap at statements and commits, and lets others act before a transaction begins."""
    enter, commit = Atomic.__enter__, connection.commit

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if is_watched():
            trap.at_statement(sql)
        return run(sql, params, many, context)

    def begin(self: Atomic) -> None:
        if is_watched() and not connection.in_atomic_block:
            between_transactions()
        enter(self)

    def end() -> None:
        if is_watched() and (trap.pass_by("before commit") or (trap.sprung and trap.lasts)):
            connection.rollback()
            trap.spring()
        commit()
        if is_watched() and trap.pass_by("after commit"):
            trap.spring()

    with (
        connection.execute_wrapper(execute),
        patch.object(Atomic, "__enter__", begin),
        patch.object(connection, "commit", end),
    ):
        yield
