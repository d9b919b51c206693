"""Reports of sessions whose events are kept no longer: what goes on, what is final, what is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from reports import builder, rebuild, tasks, trails
from reports.models import PointerSecond, Rollup, SessionMinute, SessionReport, SessionTrail
from reports.rollup import roll_up
from reports.rollups import totals
from tests.admin_ext.cast import signed_in
from tests.cast import Sender, elsewhere, event
from tests.tracking.test_reprocess import SOMEBODY
from tests.tracking.test_retention import keep, numbers, run, seconds, stroke
from tracking import corrections, erase, locks, retention
from tracking.models import Event, Session


@pytest.fixture
def owner(transactional_db: None) -> Client:
    return signed_in(User.objects.create_superuser("owner"))


@pytest.fixture
def half(shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A session that had two strokes when its report was built, of which one has expired since."""
    monkeypatch.setattr(retention, "REPORTS_PATIENCE_SECONDS", 0.0)
    shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
    builder.build_stale()
    keep(shop, 31)
    assert run().events == 1
    return session


def report_of(shop: Sender, session: UUID) -> Any:
    return shop.get(f"/api/sessions/{session}/report").json()


def late(shop: Sender, session: UUID) -> None:
    shop.send(stroke(session, 30, 5))


def correct(shop: Sender, session: UUID) -> None:
    corrections.correct(Event.objects.get().pk, {"name": "other"}, SOMEBODY)


def delete(shop: Sender, session: UUID) -> None:
    erase.delete_event(Event.objects.get(), SOMEBODY)


def lose_the_state(shop: Sender, session: UUID) -> None:
    SessionReport.objects.update(state=None)
    shop.send(stroke(session, 30, 15))


@pytest.mark.parametrize("change", [late, correct, delete, lose_the_state])
def test_where_a_report_cannot_go_on_it_is_kept_and_final(
    shop: Sender, half: UUID, change: Any
) -> None:
    before, rows = numbers(half), seconds(half)
    change(shop, half)
    assert builder.build_stale() == {"built": 1, "failed": 0}
    assert numbers(half) == before | {"final": True}
    assert seconds(half) == rows
    assert not Session.objects.get().stale
    shop.send(event(half))
    builder.build_stale()
    assert numbers(half) == before | {"final": True}
    found = report_of(shop, half)
    assert (found["final"], found["stale"], found["events"]) == (True, False, 2)


def test_a_report_of_another_version_is_kept_too(shop: Sender, half: UUID) -> None:
    SessionReport.objects.update(version="0:00000000")
    assert report_of(shop, half)["stale"]
    assert rebuild.see_to_it()
    rebuild.run()
    found = report_of(shop, half)
    assert (found["final"], found["stale"], found["version"]) == (True, False, "0:00000000")
    assert shop.get("/api/reports?stale=true").json()["results"] == []
    (row,) = shop.get("/api/reports?stale=false").json()["results"]
    assert row["final"]


def test_to_recompute_is_refused_with_the_reason(shop: Sender, half: UUID) -> None:
    before = numbers(half)
    refusal = shop.post({}, f"/api/sessions/{half}/recompute")
    assert refusal.status_code == 409
    error = refusal.json()["error"]
    assert error["code"] == "events_expired"
    assert "keep events for (days)" in error["message"]
    assert numbers(half) == before | {"final": True}
    result = tasks.recompute.apply(args=(str(half),)).get()
    assert result["session"] == str(half)
    assert "cannot be computed anew" in result["refused"]


def test_a_refusal_does_not_keep_it_from_going_on(shop: Sender, half: UUID) -> None:
    shop.send(stroke(half, 30, 20))
    with pytest.raises(builder.EventsExpired):
        builder.recompute(half)
    assert builder.build_stale() == {"built": 1, "failed": 0}
    found = report_of(shop, half)
    assert (found["events"], found["samples"], found["final"]) == (3, 6, True)


def test_an_application_that_is_new_does_not_keep_it_from_going_on(
    shop: Sender, stranger: Sender, half: UUID
) -> None:
    stranger.send(stroke(half, 30, 20))
    assert builder.build_stale() == {"built": 1, "failed": 0}
    shop.send(stroke(half, 30, 30))
    builder.build_stale()
    report = SessionReport.objects.get()
    assert (report.events, report.samples, report.final) == (4, 8, False)
    assert report.build == report.anew_build + 2
    roll_up()
    for application, events in ((None, 4), (shop.application_id, 3), (stranger.application_id, 1)):
        whole = totals(application, now() - timedelta(days=40), now())
        assert (whole.events, whole.sessions_started, whole.sessions_ended) == (events, 1, 1)
        assert (whole.samples, whole.moving_ms) == (8, 2_000.0)
        assert whole.distance_px == pytest.approx(report.distance_px)
        assert whole.speed_p95 == report.speed_p95


def test_staff_are_told_why(owner: Client, half: UUID) -> None:
    for model in ("tracking_session", "reports_sessionreport"):
        address = reverse(f"admin:{model}_recompute_one", args=[half])
        answer = owner.post(address, {"_form_submitted": "on"})
        page = owner.get(answer["HX-Redirect"]).content.decode()
        assert "Not recomputed: 1. Events of this session were deleted" in page
        assert "final</span>" in page
        selected = {"action": "recompute_selected", "_selected_action": [str(half)]}
        changelist = reverse(f"admin:{model}_changelist")
        page = owner.post(changelist, selected | {"confirmed": "1"}, follow=True).content.decode()
        assert "Not recomputed: 1. Events of this session were deleted" in page


def test_the_file_says_which_are_final(shop: Sender, half: UUID) -> None:
    with pytest.raises(builder.EventsExpired):
        builder.recompute(half)
    head, row = b"".join(shop.get("/api/reports.csv").streaming_content).decode().splitlines()
    assert row.split(",")[head.split(",").index("final")] == "true"


def test_erasing_removes_everything(shop: Sender, half: UUID) -> None:
    erase.erase_session(half, shop.application_id, SOMEBODY)
    for model in (Session, Event, SessionReport, PointerSecond):
        assert not model._default_manager.exists()


def test_what_one_application_sent_is_erased_from_the_report(
    shop: Sender, stranger: Sender, half: UUID
) -> None:
    """Nobody knows which of the expired events were its own."""
    stranger.send(stroke(half, 30, 20))
    builder.build_stale()
    erase.erase_session(half, shop.application_id, SOMEBODY)
    builder.build_stale()
    report = SessionReport.objects.get()
    assert (report.events, report.samples, report.final) == (1, 2, False)
    kept = Session.objects.get()
    assert (kept.event_count, kept.expired_events) == (1, 0)
    assert kept.first_at == kept.last_at == Event.objects.get().timestamp


def test_what_was_erased_does_not_stay_because_something_expires_next(
    shop: Sender, stranger: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody has built the report anew."""
    monkeypatch.setattr(retention, "REPORTS_PATIENCE_SECONDS", 0.0)
    shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
    stranger.send(stroke(session, 30, 20))
    builder.build_stale()
    trails.compute(session)
    erase.erase_session(session, stranger.application_id, SOMEBODY)
    for model in (SessionReport, SessionMinute, PointerSecond, SessionTrail):
        assert not model._default_manager.exists()
    keep(shop, 31)
    assert run().events == 1
    builder.build_stale()
    roll_up()
    report = SessionReport.objects.get()
    assert (report.events, report.samples, report.final) == (1, 2, True)
    assert len(seconds(session)) == 1
    theirs = Rollup.objects.filter(application=stranger.application_id)
    assert not theirs.exclude(events=0, samples=0, sessions_started=0).exists()
    of_all = Rollup.objects.filter(application=None).exclude(events=0)
    assert {row.events for row in of_all} == {1}


def test_a_report_that_is_erased_while_it_is_built_does_not_come_back(
    shop: Sender, stranger: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the snapshot of the build and its lock."""
    shop.send(stroke(session, 30, 10))
    stranger.send(stroke(session, 30, 20))
    builder.build_stale()
    shop.send(stroke(session, 30, 30))
    snapshot = locks.try_sessions

    def erase_meanwhile(ids: Any) -> Any:
        monkeypatch.undo()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        with ThreadPoolExecutor(1) as other:
            owner = stranger.application_id
            other.submit(elsewhere, erase.erase_session, session, owner, SOMEBODY).result()
        return snapshot(ids)

    monkeypatch.setattr(locks, "try_sessions", erase_meanwhile)
    builder.build(session)
    report = SessionReport.objects.get()
    assert (report.events, report.build) == (2, report.anew_build)
    roll_up()
    days = Rollup.objects.filter(application=None, step="day").exclude(events=0)
    assert {row.events for row in days} == {2}


def test_without_a_report_before_it_is_made_of_what_is_left(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REPORTS_PATIENCE_SECONDS", 0.0)
    shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
    keep(shop, 31)
    run()
    assert builder.sizes_of([session]) == {session: 1}
    builder.build_stale()
    report = SessionReport.objects.get()
    assert (report.events, report.final) == (1, True)
    assert builder.sizes_of([session]) == {session: 0}


def test_events_are_read_once_to_find_that_others_are_missing(shop: Sender, session: UUID) -> None:
    """As in the moments after a month was detached, before its sessions know of it."""
    shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
    builder.build_stale()
    SessionReport.objects.update(state=None)
    Event.objects.filter(pk=Event.objects.order_by("pk").values("pk")[:1]).delete()
    with CaptureQueriesContext(connection) as queries:
        assert builder.build(session, anew=True).kept
    assert sum("FROM tracking_event " in query["sql"] for query in queries) == 1


def test_deleting_waits_for_reports_that_are_behind(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
    keep(shop, 31)
    monkeypatch.setattr(retention, "sleep", lambda seconds: builder.build_stale())
    assert run().events == 1
    report = SessionReport.objects.get()
    assert (report.events, report.final) == (2, False)
    assert not Session.objects.get().stale
