"""HTTP"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from calls import actions
from calls.engine.entities import send_entities
from calls.vocabulary import HoldReason
from tests.engine.lab import again
from tests.faults.life import LONG_ENOUGH, answering, live_with, made_once, new_row, stands_still

REFUSALS = {
    "entities": HoldReason.OFFICE_REFUSED,
    "schedule": HoldReason.SCHEDULE_REFUSED,
    "trigger": HoldReason.TRIGGER_REFUSED,
}
ENDPOINTS = (*REFUSALS, "poll")


def live(lab, kind, endpoints=ENDPOINTS, **options):
    """A row that meets this fault of the stand-in once at each endpoint."""
    for endpoint in endpoints:
        lab.fault(kind, endpoint, **options)
    row = new_row(lab)
    lab.run(LONG_ENOUGH, step=5)
    return again(row)


# --- The server's fault ---


def in_doubt_either_way(lab, code):
    """Of a call that was started and one that was not, only the second is triggered again."""
    acted, lost = (live(lab, "status", code=code, applied=applied) for applied in (True, False))
    assert (acted.trigger_count, lost.trigger_count) == (1, 2)
    assert (acted.possible_orphans, lost.possible_orphans) == (1, 1)
    return made_once(lab, acted) and made_once(lab, lost)


def test_http_408(lab):
    """All of the request may have arrived: a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 408)


def test_http_409(lab):
    """The conflict may be with an earlier request of ours: a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 409)


def test_http_500(lab):
    """It may have acted before it failed: a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 500)


def test_http_502(lab):
    """The gateway does not know whether it acted: a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 502)


def test_http_503(lab):
    """It is not read as "it did not happen": a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 503)


def test_http_504(lab):
    """The gateway gave up waiting, the API may not have: a trigger is asked about before anything else."""
    assert in_doubt_either_way(lab, 504)


# --- The row's fault ---


def held_with_its_reason(lab, code):
    """An office, a row and a trigger are refused; each waits for a person, and goes on when one says so."""
    rows = [refused_at(lab, endpoint, code) for endpoint in REFUSALS]
    sent = len(lab.wire.sent)
    lab.run(3600, step=600)
    assert len(lab.wire.sent) == sent
    beside = new_row(lab)
    lab.run(60)
    actions.ask_about_office(office=rows[0].entity, by=None)
    for row in rows[1:]:
        actions.release_hold(row=again(row), by=None)
    lab.run(300, step=5)
    return all(made_once(lab, row) for row in (beside, *rows))


def refused_at(lab, endpoint, code):
    lab.fault("status", endpoint, code=code)
    row = new_row(lab)
    lab.run(30)
    row = again(row)
    assert row.hold_reason == REFUSALS[endpoint]
    assert str(code) in (row.last_error or row.entity.last_error)
    return row


def test_http_400(lab):
    """The row or office is held with that reason and not sent again by itself; the others go on."""
    assert held_with_its_reason(lab, 400)


def test_http_404_on_a_write(lab):
    """The row or office is held with that reason and not sent again by itself; the others go on."""
    assert held_with_its_reason(lab, 404)


def test_http_413(lab):
    """The row or office is held with that reason and not sent again by itself; the others go on."""
    assert held_with_its_reason(lab, 413)


def test_http_415(lab):
    """The row or office is held with that reason and not sent again by itself; the others go on."""
    assert held_with_its_reason(lab, 415)


def test_http_422(lab):
    """The row or office is held with that reason and not sent again by itself; the others go on."""
    assert held_with_its_reason(lab, 422)


# --- The key's fault ---


def stopped_until_a_person_resumes(lab, code):
    for endpoint in ENDPOINTS:
        lab.fault("status", endpoint, code=code)
        row = new_row(lab)
        lab.run(6)
        assert stands_still(lab, "key_refused")
        assert (again(row).hold_reason, again(row).settled_at) == ("", None)
        actions.resume_upstream(by=None)
        lab.run(300, step=5)
        assert made_once(lab, row)
    return True


def test_http_401(lab):
    """Everything stands still, no row is blamed; after a person has resumed, each call is made once."""
    assert stopped_until_a_person_resumes(lab, 401)


def test_http_403(lab):
    """Everything stands still, no row is blamed; after a person has resumed, each call is made once."""
    assert stopped_until_a_person_resumes(lab, 403)


# --- Slower ---


def silent_for(lab, status, header):
    """Seconds for which nothing is sent after an answer with this `Retry-After`; then the call is made."""
    row, headers = new_row(lab), {} if header is None else {"Retry-After": header}
    with answering(status, headers=headers) as slow:
        send_entities(replace(lab.tools, client=slow))
    seconds = (lab.upstream.slow_until - lab.clock()).total_seconds()
    new_row(lab)  # another office waits as well
    lab.clock.advance(seconds - 0.5)
    lab.pulse()
    assert lab.wire.sent == []
    lab.run(300, step=5)
    assert made_once(lab, row)
    return seconds


def test_http_429_with_seconds(lab):
    """The whole key is silent for so long, and no row is blamed."""
    assert silent_for(lab, 429, "90") == 90


def test_http_429_with_a_date(lab):
    """The whole key is silent until then."""
    until = datetime.now(UTC) + timedelta(minutes=5)
    assert silent_for(lab, 429, format_datetime(until, usegmt=True)) == pytest.approx(300, abs=5)


def test_http_429_with_an_absurd_time(lab):
    """The key is silent for a day at the longest."""
    assert silent_for(lab, 429, "999999999999") == 86_400


@pytest.mark.parametrize("header", [None, "-5", "soon"])
def test_http_429_without_a_readable_time(lab, header):
    """The key is silent for five seconds."""
    assert silent_for(lab, 429, header) == 5


def test_http_503_with_a_time(lab):
    """The whole key is silent for so long, as after a 429."""
    assert silent_for(lab, 503, "120") == 120


# --- A success that is none ---


def test_200_without_the_documented_fields(lab):
    """It promises nothing: a trigger is asked about before anything else."""
    with answering(200, json={}) as bad:
        row = live_with(lab, bad)
    assert (row.trigger_count, row.possible_orphans) == (2, 1)
    assert made_once(lab, row)


def test_204_without_a_body(lab):
    """It promises nothing: a trigger is asked about before anything else."""
    with answering(204) as bad:
        row = live_with(lab, bad)
    assert (row.trigger_count, row.possible_orphans) == (2, 1)
    assert made_once(lab, row)


def test_200_with_errors(lab):
    """It is neither a yes nor a no: a trigger is asked about before anything else."""
    acted, lost = (
        live(lab, "errors_200", ["trigger"], applied=applied) for applied in (True, False)
    )
    assert (acted.trigger_count, lost.trigger_count) == (1, 2)
    assert made_once(lab, acted)
    assert made_once(lab, lost)
