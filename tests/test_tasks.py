from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from calls import tasks
from calls.engine.pulse import dispatch_pulse, poll_pulse


@pytest.fixture
def queue(monkeypatch):
    """What was enqueued: the function's name and its options."""
    queued = []
    monkeypatch.setattr(
        tasks, "async_task", lambda name, q_options: queued.append((name, q_options))
    )
    monkeypatch.setattr(tasks.time, "sleep", lambda seconds: None)
    return queued


def slices(monkeypatch, result):
    """Stands in for run_slice; returns the list of slices that were run."""
    run = []

    def run_slice(name, pulse):
        run.append((name, pulse))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(tasks, "run_slice", run_slice)
    return run


@pytest.mark.parametrize(
    ("task", "name", "pulse"),
    [(tasks.dispatch, "dispatch", dispatch_pulse), (tasks.poll, "poll", poll_pulse)],
    ids=["dispatch", "poll"],
)
def test_a_task_runs_its_slice_and_wakes_the_next(queue, monkeypatch, task, name, pulse):
    run = slices(monkeypatch, True)
    task()
    assert run == [(name, pulse)]
    assert queue == [(f"calls.tasks.{name}", {"save": False, "ack_failure": True})]


@pytest.mark.fault(
    "Processes",
    "Task that the queue delivers twice",
    "The second finds the lease taken and ends at once.",
)
def test_a_task_that_finds_another_at_work_ends_quietly(queue, monkeypatch):
    slices(monkeypatch, False)
    tasks.dispatch()
    assert queue == []


@pytest.mark.fault(
    "Processes",
    "Task that fails",
    "The next one is enqueued; nothing but the type of the error is kept.",
)
def test_a_failure_is_told_by_its_type_alone_and_the_chain_goes_on(queue, monkeypatch, caplog):
    slices(monkeypatch, ValueError("Amara Delgado, 987-65-7777"))
    with pytest.raises(tasks.SliceFailed) as caught:
        tasks.poll()
    assert str(caught.value) == "ValueError"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Amara" not in caplog.text
    assert [name for name, _ in queue] == ["calls.tasks.poll"]


def test_options_are_not_shared_between_tasks(queue):
    tasks.wake("poll")
    queue[0][1]["save"] = True
    tasks.wake("poll")
    assert queue[1][1] == {"save": False, "ack_failure": True}


@pytest.mark.django_db
def test_sessions_that_are_over_are_forgotten():
    now = timezone.now()
    for name, age in {"over": 1, "open": -1}.items():
        expires = now - timedelta(hours=age)
        Session.objects.create(session_key=name, session_data="", expire_date=expires)
    tasks.forget_old_sessions()
    assert [session.session_key for session in Session.objects.all()] == ["open"]
