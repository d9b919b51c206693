"""Building all reports anew: in what order, beside live ones, stopped and gone on with, and by whom."""

from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils.timezone import now

from reports import builder, rebuild, tasks
from reports.models import Rebuild, SessionReport
from reports.parameters import PARAMETERS, VERSION
from tests.admin_ext.cast import staff
from tests.cast import Sender, at, event, move
from tests.processes import Process
from tests.waiting import until
from tracking.audit import Actor
from tracking.models import AuditEntry, Session
from tracking.nudge import Bell

SOMEBODY = Actor("somebody")
API = "/api/reports/rebuild"
LATER = f"{VERSION + 1}:00000000"


@pytest.fixture
def many(shop: Sender, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Seven sessions with reports that say nonsense, latest first; the last has no events."""
    monkeypatch.setattr(rebuild, "SLICE", 3)
    ids = [uuid4() for _ in range(7)]
    for age, id in enumerate(ids[:-1]):
        shop.send(move(id, 100 - age, 0, 0), move(id, 100.1 - age, 3, 4))
    shop.send(event(ids[-1], category=""))
    builder.build_stale()
    SessionReport.objects.update(distance_px=-1)
    return ids


def rebuilt() -> set[UUID]:
    return {*SessionReport.objects.exclude(distance_px=-1).values_list("pk", flat=True)}


def outdate(**of: Any) -> None:
    SessionReport.objects.filter(**of).update(version="0:00000000")


def one_slice() -> bool:
    return rebuild._slice(Rebuild.objects.get())


def latest() -> Rebuild:
    made = Rebuild.objects.first()
    assert made
    return made


class TestWalk:
    def test_all_are_built_anew_newest_session_first(self, many: list[UUID]) -> None:
        made = rebuild.begin(SOMEBODY)
        assert (made.total, made.state, made.percent) == (7, "running", 0)
        assert one_slice()
        assert rebuilt() == {*many[:3]}
        assert (latest().done, latest().percent) == (3, 42)
        assert one_slice()
        assert rebuilt() == {*many[:6]}
        assert rebuild.run() == {"slices": 1}
        assert rebuilt() == {*many}
        done = latest()
        assert (done.state, done.done, done.failed, done.percent) == ("done", 7, 0, 100)
        assert done.finished_at
        assert SessionReport.objects.get(pk=many[0]).distance_px == 5

    def test_it_pauses_and_goes_on_from_there(self, many: list[UUID]) -> None:
        rebuild.begin(SOMEBODY)
        one_slice()
        rebuild.pause(SOMEBODY)
        assert rebuild.run() == {"slices": 0}
        assert not rebuild.see_to_it()
        assert len(rebuilt()) == 3
        rebuild.resume(SOMEBODY)
        assert rebuild.see_to_it()
        assert rebuild.run() == {"slices": 2}
        assert latest().done == 7

    def test_a_slice_during_which_it_is_paused_is_not_noted(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rebuild.begin(SOMEBODY)
        build = builder.build_each

        def build_and_pause(*args: Any, **kwargs: Any) -> Any:
            rebuild.pause(SOMEBODY)
            return build(*args, **kwargs)

        monkeypatch.setattr(builder, "build_each", build_and_pause)
        assert not one_slice()
        assert (latest().state, latest().done, latest().cursor_session) == ("paused", 0, None)

    def test_it_is_cancelled(self, many: list[UUID]) -> None:
        rebuild.begin(SOMEBODY)
        one_slice()
        rebuild.cancel(SOMEBODY)
        assert rebuild.run() == {"slices": 0}
        assert (latest().state, len(rebuilt())) == ("cancelled", 3)
        assert rebuild.begin(SOMEBODY).done == 0

    def test_there_is_one_at_a_time(self, many: list[UUID]) -> None:
        rebuild.begin(SOMEBODY)
        with pytest.raises(rebuild.Conflict):
            rebuild.begin(SOMEBODY)
        rebuild.pause(SOMEBODY)
        for change in (rebuild.begin, rebuild.pause):
            with pytest.raises(rebuild.Conflict):
                change(SOMEBODY)
        with pytest.raises(IntegrityError), transaction.atomic():
            Rebuild.objects.create(only_outdated=False, total=0)

    def test_one_that_cannot_be_built_is_counted_and_passed(self, many: list[UUID]) -> None:
        with connection.cursor() as cursor:
            check = f"CHECK (distance_px < 0 OR session_id <> '{many[1]}')"
            cursor.execute(f"ALTER TABLE reports_sessionreport ADD CONSTRAINT bad {check}")
        try:
            rebuild.begin(SOMEBODY)
            rebuild.run()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE reports_sessionreport DROP CONSTRAINT bad")
        assert (latest().state, latest().done, latest().failed) == ("done", 6, 1)
        assert rebuilt() == {*many} - {many[1]}

    def test_final_ones_are_left_as_they_are(self, many: list[UUID]) -> None:
        Session.objects.filter(pk=many[2]).update(expired_events=1)
        rebuild.begin(SOMEBODY)
        rebuild.run()
        assert (latest().done, latest().skipped) == (6, 1)
        kept = SessionReport.objects.get(pk=many[2])
        assert (kept.distance_px, kept.final) == (-1, True)

    def test_one_in_other_hands_is_waited_for(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rebuild.begin(SOMEBODY)
        with monkeypatch.context() as patch:
            patch.setattr(builder, "build_each", lambda portion, anew: ([], []))
            assert rebuild.run() == {"slices": 0}
        assert latest().done == 0
        rebuild.run()
        assert latest().done == 7

    def test_an_erased_one_holds_nothing_up(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rebuild.begin(SOMEBODY)
        build = builder.build_each

        def erase_and_build(*args: Any, **kwargs: Any) -> Any:
            Session.objects.filter(pk=many[0]).delete()
            return build(*args, **kwargs)

        monkeypatch.setattr(builder, "build_each", erase_and_build)
        rebuild.run()
        assert (latest().state, latest().done) == ("done", 6)


class TestBesideLiveReports:
    def test_it_waits_while_a_session_has_news(
        self, shop: Sender, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuild, "PATIENCE", timedelta(hours=1))
        rebuild.begin(SOMEBODY)
        shop.send(move(many[4], 200, 0, 0))
        assert rebuild.run() == {"slices": 0}
        builder.build_stale()
        assert rebuild.run() == {"slices": 3}

    def test_where_some_always_has_it_goes_on_slowly(
        self, shop: Sender, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuild, "PATIENCE", timedelta(hours=1))
        rebuild.begin(SOMEBODY)
        shop.send(event(uuid4()))
        Rebuild.objects.update(updated_at=now() - rebuild.PATIENCE)
        assert rebuild.run() == {"slices": 1}
        assert latest().done == 3

    def test_it_waits_after_a_long_session_too(
        self, shop: Sender, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(builder, "LONG_EVENTS", 1)
        monkeypatch.setattr(rebuild, "PATIENCE", timedelta(hours=1))
        rebuild.begin(SOMEBODY)
        build = builder.build_each

        def build_and_send(*args: Any, **kwargs: Any) -> Any:
            built = build(*args, **kwargs)
            shop.send(event(uuid4()))
            return built

        monkeypatch.setattr(builder, "build_each", build_and_send)
        assert rebuild.run() == {"slices": 1}
        assert rebuilt() & {*many} == {many[0]}
        assert latest().done == 1

    def test_a_shift_is_short_and_the_next_one_is_rung_for(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuild, "SHIFT_SECONDS", 0.0)
        bell = Bell(tasks.rebuild)
        rebuild.begin(SOMEBODY)
        assert rebuild.run(bell) == {"slices": 1}
        assert bell.background.thread_of


class TestAfterAChange:
    """Of the algorithm or of its parameters."""

    def test_what_is_outdated_is_built_by_itself_and_nothing_else(self, many: list[UUID]) -> None:
        outdate(pk__in=many[2:5])
        assert builder.build_stale() == {"built": 0, "failed": 0}
        assert rebuild.see_to_it()
        made = latest()
        assert (made.total, made.reason) == (3, "the algorithm changed")
        assert rebuild.see_to_it()  # and begins no other
        rebuild.run()
        assert rebuilt() == {*many[2:5]}
        assert {*SessionReport.objects.values_list("version", flat=True)} == {PARAMETERS.version}
        assert not rebuild.see_to_it()
        assert Rebuild.objects.count() == 1

    def test_where_nothing_is_outdated_nothing_begins(self, many: list[UUID]) -> None:
        assert not rebuild.see_to_it()
        assert not Rebuild.objects.exists()

    def test_what_could_not_be_built_is_tried_again_later(self, many: list[UUID]) -> None:
        outdate()
        rebuild.see_to_it()
        Rebuild.objects.update(state="done", finished_at=now())
        assert not rebuild.see_to_it()
        Rebuild.objects.update(finished_at=now() - rebuild.AGAIN - timedelta(seconds=1))
        assert rebuild.see_to_it()

    def test_one_that_was_cancelled_does_not_begin_again(self, many: list[UUID]) -> None:
        outdate()
        rebuild.see_to_it()
        rebuild.cancel(SOMEBODY)
        Rebuild.objects.update(finished_at=now() - 2 * rebuild.AGAIN)
        assert not rebuild.see_to_it()
        Rebuild.objects.update(version="0:00000000")  # and the algorithm changed once more
        assert rebuild.see_to_it()

    def test_what_newer_workers_do_is_left_to_them(self, many: list[UUID]) -> None:
        """While an update goes from machine to machine."""
        outdate()
        rebuild.see_to_it()
        Rebuild.objects.update(version=LATER)
        assert rebuild.run() == {"slices": 0}
        assert rebuilt() == set()
        Rebuild.objects.update(state="done", finished_at=now() - 2 * rebuild.AGAIN)
        SessionReport.objects.update(version=LATER)
        assert not rebuild.see_to_it()

    def test_what_older_workers_left_is_gone_on_with(self, many: list[UUID]) -> None:
        outdate()
        rebuild.see_to_it()
        Rebuild.objects.update(version="0:00000000")
        assert rebuild.run() == {"slices": 3}
        assert rebuilt() == {*many}

    def test_final_reports_are_not_outdated(self, many: list[UUID]) -> None:
        outdate()
        SessionReport.objects.update(final=True)
        assert not rebuild.see_to_it()


@pytest.fixture
def operator(transactional_db: None) -> Client:
    return staff("operator", "rebuild_sessionreport")


class TestApi:
    def test_staff_begin_look_pause_resume_and_cancel(
        self, operator: Client, many: list[UUID]
    ) -> None:
        assert operator.get(API).status_code == 404
        begun = operator.post(API)
        assert begun.status_code == 202
        assert begun.json() | {"state": "running", "total": 7, "done": 0} == begun.json()
        again = operator.post(API)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "rebuild_conflict")
        for change, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
            assert operator.post(f"{API}/{change}").json()["state"] == state
            assert operator.get(API).json()["state"] == state
        assert operator.post(f"{API}/resume").status_code == 409

    def test_it_is_audited(self, operator: Client, many: list[UUID]) -> None:
        operator.post(API)
        operator.post(f"{API}/pause")
        rows = AuditEntry.objects.order_by("id").values_list("actor", "action")
        assert [*rows] == [("operator", "rebuild.started"), ("operator", "rebuild.paused")]

    def test_keys_and_other_staff_may_not(self, shop: Sender) -> None:
        for refused in (shop.get(API), shop.post({}, API)):
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        looker = staff("looker", "view_sessionreport", "recompute_sessionreport")
        assert looker.get(API).status_code == looker.post(API).status_code == 403
        assert not Rebuild.objects.exists()


class TestCommand:
    def told(self, *arguments: str) -> str:
        out = StringIO()
        call_command("rebuild_reports", *arguments, stdout=out)
        return out.getvalue()

    def test_it_tells_pauses_and_resumes(self, many: list[UUID]) -> None:
        assert "No reports have been rebuilt yet" in self.told("--status")
        rebuild.begin(SOMEBODY)
        one_slice()
        assert self.told("--status") == "Running: 3 of 7 (42 %)\n"
        assert self.told("--pause").startswith("Paused: 3 of 7")
        assert self.told("--resume").startswith("Running: 3 of 7")
        assert self.told("--cancel").startswith("Cancelled: 3 of 7")
        with pytest.raises(CommandError, match="No rebuild of reports is running"):
            self.told("--pause")

    @pytest.mark.flow
    def test_it_follows_what_the_workers_do(self, many: list[UUID], worker: Process) -> None:
        lines = self.told().splitlines()
        assert lines[-1] == "Done: 7 of 7 (100 %)"
        assert rebuilt() == {*many}


@pytest.mark.flow
@pytest.mark.django_db(transaction=True)
def test_one_whose_worker_was_killed_goes_on(
    shop: Sender, many: list[UUID], worker: Process
) -> None:
    worker.kill()
    rebuild.begin(SOMEBODY)
    one_slice()
    worker.start()
    shop.send(event(uuid4(), timestamp=at(1)))  # as does the next round of beat
    until(lambda: latest().state == "done")
    assert rebuilt() >= {*many}
