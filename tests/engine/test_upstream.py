from dataclasses import replace
from datetime import timedelta

import pytest

from calls import actions
from calls.engine import upstream
from calls.engine.polling import poll_rows
from calls.engine.tools import Answer, HeldBack, IntentTooOld
from calls.engine.triggering import trigger_rows
from calls.evergrove.errors import NotSent, Rejected, SlowDown, Unknown
from calls.models import CallEvent, Upstream
from calls.vocabulary import Phase, StopReason
from tests.engine.lab import again

DOWN = Unknown("HTTP 503", status=503)


def answers(*values):
    return [Answer(None, value, 0.02) for value in values]


def breaker_open(lab):
    upstream.note(answers(*[DOWN] * 5), lab.tools)


# --- Retry-After ---


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (SlowDown("HTTP 429", retry_after=90.0), 90),
        (SlowDown("HTTP 429"), 5),
        (Unknown("HTTP 503", status=503, retry_after=20.0), 20),
    ],
    ids=["429", "429 without a time", "503 with a time"],
)
def test_the_whole_key_waits(lab, error, seconds):
    assert upstream.note(answers(error), lab.tools) is False
    lab.clock.advance(seconds - 1)
    assert not upstream.may_send(lab.tools)
    lab.clock.advance(2)
    assert upstream.may_send(lab.tools)


def test_a_shorter_wait_does_not_replace_a_longer_one(lab):
    upstream.note(answers(SlowDown("HTTP 429", retry_after=600.0)), lab.tools)
    upstream.note(answers(SlowDown("HTTP 429")), lab.tools)
    assert lab.upstream.slow_until == lab.clock() + timedelta(seconds=600)


@pytest.mark.parametrize(
    "told",
    [
        {"slow_until": "soon"},
        {"stop_reason": StopReason.KEY_REFUSED},
        {"failures": upstream.BREAKER_THRESHOLD},
    ],
    ids=["slowed down", "stopped", "out of reach"],
)
def test_what_another_process_was_told_ends_this_ones_claims(lab, told):
    if "slow_until" in told:
        told = {"slow_until": lab.clock() + timedelta(seconds=60)}
    Upstream.load()
    Upstream.objects.update(**told)
    assert upstream.note([], lab.tools) is False


# --- The breaker ---


def test_five_faults_in_a_row_stop_sending(lab):
    for _ in range(4):
        assert upstream.note(answers(DOWN), lab.tools)
    assert upstream.may_send(lab.tools)
    assert not upstream.note(answers(NotSent("refused")), lab.tools)
    assert not upstream.may_send(lab.tools)
    assert lab.wire.sent == []


@pytest.mark.parametrize(
    "answer", ["fine", Rejected("HTTP 422", status=422)], ids=["an answer", "a row's fault"]
)
def test_any_answer_of_the_api_ends_the_row_of_faults(lab, answer):
    for _ in range(4):
        upstream.note(answers(DOWN), lab.tools)
    upstream.note(answers(answer), lab.tools)
    assert upstream.note(answers(*[DOWN] * 4), lab.tools)


@pytest.mark.parametrize("error", [HeldBack("x"), IntentTooOld("x")], ids=["stopped", "too old"])
def test_what_we_held_back_ourselves_says_nothing_about_the_api(lab, error):
    upstream.note(answers(*[error] * 9), lab.tools)
    assert lab.upstream.failures == 0


@pytest.mark.fault(
    "Network",
    "API that is down for longer than five requests",
    "The breaker opens; a harmless question probes it, never a trigger.",
)
def test_an_open_breaker_is_probed_by_a_get_and_never_by_a_trigger(lab):
    row = lab.scheduled()
    del lab.wire.sent[:]
    breaker_open(lab)
    trigger_rows(lab.tools)
    assert lab.wire.sent == []
    lab.clock.now = lab.upstream.open_until
    lab.fault("status", "poll", code=503)
    trigger_rows(lab.tools)
    assert [endpoint for endpoint, _ in lab.wire.sent] == ["poll"]
    assert lab.calls_of(row) == 0
    lab.clock.now = lab.upstream.open_until
    trigger_rows(lab.tools)
    assert [endpoint for endpoint, _ in lab.wire.sent] == ["poll", "poll", "trigger"]
    assert lab.upstream.failures == 0


def test_a_probe_that_is_answered_at_all_closes_the_breaker(lab):
    breaker_open(lab)
    lab.clock.now = lab.upstream.open_until
    lab.wire.instead["poll"].append(
        lambda address: {"id": address.rsplit("/", 1)[1], "workflow_status": "ENQUEUED"}
    )
    assert upstream.may_send(lab.tools)


@pytest.mark.fault(
    "Network", "Many workers when the API comes back", "One of them probes it, the others wait."
)
def test_one_process_probes_at_a_time(lab):
    breaker_open(lab)
    lab.clock.now = lab.upstream.open_until
    asked = []

    def rival(endpoint, body):
        lab.wire.before = lambda endpoint, body: None
        asked.append(upstream.may_send(lab.tools))

    lab.wire.before = rival
    assert upstream.may_send(lab.tools)
    assert asked == [False]
    assert len(lab.sent("poll")) == 1


@pytest.mark.fault(
    "Network",
    "Outage of a quarter of an hour",
    "No row fails or is held, few requests are made, and everything goes on by itself.",
)
def test_an_outage_fails_nobody_and_ends_by_itself(lab):
    rows = [lab.row() for _ in range(8)]
    lab.fault("refused", times=None)
    lab.run(900, step=15)
    assert {again(row).phase for row in rows} == {Phase.READY}
    sent = len(lab.wire.sent)
    assert sent < 60
    lab.sandbox.faults.clear()
    lab.run(900, step=15)
    assert {again(row).phase for row in rows} == {Phase.COMPLETED}
    assert lab.sandbox.ledger.calls_started == 8


# --- Stop and resume ---


def test_a_stop_holds_until_a_person_resumes(lab):
    upstream.stop(StopReason.REDIRECTED, lab.tools)
    lab.tools = replace(lab.tools, key_fingerprint="another-key")
    assert not upstream.may_send(lab.tools)
    actions.resume_upstream(by=None)
    assert upstream.may_send(lab.tools)
    assert CallEvent.objects.filter(detail="upstream").count() == 1


@pytest.mark.fault("People", "Key replaced after it was refused", "Everything goes on by itself.")
def test_a_new_key_resumes_what_a_refused_key_stopped(lab):
    upstream.stop(StopReason.KEY_REFUSED, lab.tools)
    assert not upstream.may_send(lab.tools)
    lab.tools = replace(lab.tools, key_fingerprint="another-key")
    assert upstream.may_send(lab.tools)
    assert lab.upstream.stop_reason == ""


def test_the_first_reason_to_stop_is_kept(lab):
    upstream.stop(StopReason.TENANT_CHANGED, lab.tools)
    upstream.stop(StopReason.KEY_REFUSED, lab.tools)
    assert lab.upstream.stop_reason == StopReason.TENANT_CHANGED


def test_a_stopped_installation_keeps_every_row_where_it_is(lab):
    rows = [lab.row(), lab.scheduled(), lab.calling(), lab.confirming()]
    before = [(again(row).phase, again(row).hold_reason) for row in rows]
    upstream.stop(StopReason.KEY_REFUSED, lab.tools)
    lab.run(3600, step=120)
    assert [(again(row).phase, again(row).hold_reason) for row in rows] == before
    assert poll_rows(lab.tools) == 0


def test_the_tenant_is_remembered(lab):
    assert upstream.note_tenant("ours", lab.tools)
    assert upstream.note_tenant("ours", lab.tools)
    assert not upstream.note_tenant("theirs", lab.tools)
    assert (lab.upstream.tenant_id, lab.upstream.stop_reason) == ("ours", StopReason.TENANT_CHANGED)


def test_the_pace_of_the_api_is_kept(lab):
    upstream.note(answers("fine"), lab.tools)
    assert (lab.upstream.last_ok_at, lab.upstream.last_ok_ms) == (lab.clock(), 20)
    upstream.note(answers(DOWN), lab.tools)
    assert (lab.upstream.last_failure, lab.upstream.last_failure_at) == ("HTTP 503", lab.clock())
