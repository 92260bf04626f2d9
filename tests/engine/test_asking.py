import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import DatabaseError
from pydantic import ValidationError

from calls.engine.asking import answer_of, each, record_group, run_jobs
from calls.engine.tools import Answer
from calls.evergrove.bodies import TriggerBody
from calls.evergrove.errors import KeyRefused, NotSent, Rejected, SlowDown, Unknown
from calls.models import Batch
from calls.vocabulary import Phase
from tests.engine.lab import again
from tests.factories import make_batch


def raising(error):
    def ask(job):
        raise error

    return ask


def run(lab, jobs, ask, *, record=lambda answer: None, in_flight=2):
    """Runs `jobs` to the end; returns how many answers were recorded."""
    waiting = list(jobs)

    def claim(limit):
        taken, waiting[:] = waiting[:limit], waiting[limit:]
        return taken

    return run_jobs(lab.tools, claim=claim, ask=ask, record=each(record), in_flight=in_flight)


def unfit_body():
    try:
        TriggerBody(scheduled_request_ids=(), latency_mode="low")
    except ValidationError as error:
        return error


# --- Asking ---


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (NotSent("refused"), NotSent),
        (unfit_body(), Rejected),
        (RuntimeError("Amara Delgado"), Unknown),
        (MemoryError(), Unknown),
    ],
    ids=["typed", "unfit body", "defect", "out of memory"],
)
def test_an_answer_is_always_one_of_the_known_classes(error, known):
    value = answer_of(raising(error), "job").value
    assert type(value) is known
    assert "Amara" not in value.reason


@pytest.mark.fault(
    "Processes",
    "Task that runs into the queue's timeout",
    "It ends: no request and no record holds it back.",
)
def test_a_worker_that_is_told_to_end_is_not_kept_alive():
    with pytest.raises(SystemExit):
        answer_of(raising(SystemExit()), "job")


def test_everything_is_asked_and_recorded_once(lab):
    asked, recorded = [], []
    assert run(lab, range(7), asked.append, record=lambda a: recorded.append(a.job)) == 7
    assert asked == recorded == list(range(7))


def test_follow_ups_are_asked_too(lab):
    asked = []
    parts = {"whole": ["left", "right"]}
    run(lab, ["whole"], asked.append, record=lambda answer: parts.get(answer.job))
    assert asked == ["whole", "left", "right"]


def test_no_more_than_the_given_number_is_in_flight(lab):
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3, timeout=5)

    def ask(job):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        full.wait()
        with lock:
            now[0] -= 1

    with ThreadPoolExecutor(9) as executor:
        lab.tools = replace(lab.tools, executor=executor)
        run(lab, range(6), ask, in_flight=3)
    assert most == [3]


def test_nothing_more_is_claimed_once_the_slice_is_over_but_what_is_out_is_recorded(lab):
    turns = iter([True, False, False])
    lab.tools = replace(lab.tools, keep_going=lambda: next(turns, False))
    recorded = []
    run(lab, range(6), str, record=lambda answer: recorded.append(answer.job))
    assert recorded == [0, 1]


@pytest.mark.parametrize(
    "error", [SlowDown("HTTP 429"), KeyRefused("HTTP 401")], ids=["slow down", "key refused"]
)
def test_what_waits_for_a_thread_when_a_pause_is_asked_for_is_not_sent(lab, error):
    asked, held = [], []

    def ask(job):
        asked.append(job)
        raise error

    run(lab, range(9), ask, record=lambda a: held.append(a.value.reason), in_flight=4)
    assert asked == [0]
    assert held[1:] == ["held back, sending was stopped"] * 3


# --- Recording ---


def test_a_group_is_recorded_in_one_transaction(db):
    answers = [Answer(name, None, 0.0) for name in ("a", "b", "c")]
    seen = []

    def record(group):
        seen.append([answer.job for answer in group])
        return ()

    record_group(answers, record)
    assert seen == [["a", "b", "c"]]


@pytest.mark.parametrize(
    "error", [DatabaseError("x"), ValueError("Amara")], ids=["database", "defect"]
)
@pytest.mark.fault("Database", "Answer that cannot be recorded", "The answers beside it are.")
def test_one_answer_that_cannot_be_recorded_does_not_spoil_the_others(db, caplog, error):
    def record(answer):
        make_batch(name=answer.job)
        if answer.job == "bad":
            raise error

    record_group([Answer(name, None, 0.0) for name in ("a", "bad", "c")], each(record))
    assert sorted(Batch.objects.values_list("name", flat=True)) == ["a", "c"]
    assert "Amara" not in caplog.text


@pytest.mark.fault(
    "Database",
    "Answer to a trigger that cannot be recorded",
    "The call is found by asking; it is not started again.",
)
def test_a_row_whose_answer_could_not_be_recorded_is_settled_by_asking(lab, monkeypatch):
    row = lab.scheduled(story=80)

    def broken(*args, **kwargs):
        raise DatabaseError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("calls.engine.triggering.record_accepted", broken)
        lab.dispatch()
    assert again(row).phase == Phase.TRIGGERING
    lab.run(200, step=10)
    assert again(row).phase == Phase.CALLING
    assert lab.calls_of(row) == 1
