"""What sessions contribute to the rollups: written with their reports, taken back with them.

Each session's minutes are kept as rows, so that what it contributed is known when it is folded anew
or erased. What changes goes into the outbox that rollup.py empties.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from reports.heat import HeatKey
from reports.minutes import Minute
from reports.models import RollupChange, SessionMinute, SessionReport
from reports.sums import Sum

type Minutes = Mapping[datetime, Minute]

NOTHING = Minute()
# For the ORM each row is a condition of its own, of which PostgreSQL takes some thousand.
DELETE = """
DELETE FROM reports_sessionminute AS there
 USING unnest(%s::uuid[], %s::timestamptz[]) AS gone(report_id, minute)
 WHERE (there.report_id, there.minute) = (gone.report_id, gone.minute)
"""


class Build(NamedTuple):
    """A report as it was and as it is, and what its build found in each minute and on each page.

    Anew, that is all there is; else it is what comes to the minutes and the heat that are kept. An
    application that is new has a part in all minutes.
    """

    before: SessionReport | None
    report: SessionReport
    found: Minutes
    heat: Mapping[HeatKey, bytes]
    anew: bool

    @property
    def same_applications(self) -> bool:
        return bool(self.before and self.before.application_ids == self.report.application_ids)

    @property
    def goes_on(self) -> bool:
        """Whether it leaves the minutes alone to which nothing comes."""
        return self.same_applications and not self.anew


def contribute(builds: Sequence[Build]) -> None:
    """Keeps the minutes of these builds, in their transaction, and tells the rollups."""
    kept = _kept(builds)
    changes, rows, gone = Changes(), list[SessionMinute](), list[tuple[UUID, datetime]]()
    for build in builds:
        old, new = kept[build.report.pk], build.found
        if build.anew:
            gone += [(build.report.pk, at) for at in old.keys() - new.keys()]
        else:
            new = old | {at: old.get(at, NOTHING).plus(minute) for at, minute in new.items()}
        written = {at: minute for at, minute in new.items() if old.get(at) != minute}
        if build.same_applications:
            old = {at: minute for at, minute in old.items() if new.get(at) != minute}
            new = written
        if build.before:
            changes.add(build.before, old, sign=-1)
        changes.add(build.report, new)
        rows += [
            SessionMinute(report=build.report, minute=at, **minute._asdict())
            for at, minute in written.items()
        ]
    if gone:
        with connection.cursor() as cursor:
            cursor.execute(DELETE, [list(column) for column in zip(*gone, strict=True)])
    SessionMinute.objects.bulk_create(
        rows,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["report", "minute"],
        update_fields=Minute._fields,
    )
    changes.write()


def take_back(report: SessionReport) -> None:
    """What a report contributed that is about to be deleted; its minutes go with it."""
    changes = Changes()
    changes.add(report, _read(SessionMinute.objects.filter(report=report))[report.pk], sign=-1)
    changes.write()


class Changes:
    """To the sums of each application, and of all together, minute by minute."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int | None, datetime], Sum] = defaultdict(Sum)

    def add(self, report: SessionReport, minutes: Minutes, sign: int = 1) -> None:
        """A session counts for each of its applications, its events for the one that sent them."""
        if report.application_ids is None:
            return
        for application in (None, *report.application_ids):
            if report.started_at:
                self._at(application, report.started_at).add({"sessions_started": 1}, sign=sign)
            if report.ended_at:
                self._at(application, report.ended_at).add({"sessions_ended": 1}, sign=sign)
            for at, minute in minutes.items():
                self._at(application, at).add(numbers(minute, application), minute.speeds, sign)

    def _at(self, application: int | None, at: datetime) -> Sum:
        return self._sums[application, at.replace(second=0, microsecond=0)]

    def write(self) -> None:
        rows = [
            RollupChange(application_id=application, minute=at, speeds=speeds, **sums.numbers)
            for (application, at), sums in self._sums.items()
            if (speeds := sums.speeds()) or any(sums.numbers.values())
        ]
        RollupChange.objects.bulk_create(rows, batch_size=1_000)


def numbers(minute: Minute, application: int | None) -> dict[str, float]:
    of_one, of_all = minute.events.get(application or 0, 0), sum(minute.events.values())
    return {
        "events": of_all if application is None else of_one,
        "distance_px": minute.distance_px,
        "moving_us": minute.moving_us,
        "samples": minute.samples,
    }


def _kept(builds: Iterable[Build]) -> dict[UUID, dict[datetime, Minute]]:
    """All that there are, but of sessions that go on just those that something comes to."""
    others = [build for build in builds if build.goes_on]
    whole = [build.report.pk for build in builds if build.before and not build.goes_on]
    touched = {at for build in others for at in build.found}
    gone_on_with = Q(report__in=[build.report.pk for build in others], minute__in=touched)
    return _read(SessionMinute.objects.filter(Q(report__in=whole) | gone_on_with))


def _read(rows: Iterable[SessionMinute]) -> dict[UUID, dict[datetime, Minute]]:
    minutes: dict[UUID, dict[datetime, Minute]] = defaultdict(dict)
    for row in rows:
        events = {int(id): count for id, count in row.events.items()}
        rest = row.distance_px, row.moving_us, row.samples, bytes(row.speeds)
        minutes[row.report_id][row.minute] = Minute(events, *rest)
    return minutes
