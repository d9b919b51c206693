"""What sessions contribute to the heatmaps: as contributions.py for the rollups, bin by bin."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from reports.contributions import Build
from reports.heat import HeatKey, merged
from reports.models import HeatChange, SessionHeat, SessionReport

type Bins = Mapping[HeatKey, bytes]


def contribute(builds: Sequence[Build]) -> None:
    """Keeps the heat of these builds, in their transaction, and tells the heatmaps."""
    kept = _kept(builds)
    changes, rows, gone = Changes(), list[SessionHeat](), list[tuple[Any, ...]]()
    for build in builds:
        old, new = kept[build.report.pk], build.heat
        if build.anew:
            gone += [(build.report.pk, *key) for key in old.keys() - new.keys()]
            written = {key: bins for key, bins in new.items() if old.get(key) != bins}
            changes.take({key: bins for key, bins in old.items() if new.get(key) != bins})
            changes.add(written)
        else:
            written = {key: merged(old.get(key, b"") + bins) for key, bins in new.items()}
            changes.add(new)
        rows += [
            SessionHeat(report=build.report, **key._asdict(), bins=bins)
            for key, bins in written.items()
        ]
    _delete(gone)
    SessionHeat.objects.bulk_create(
        rows,
        batch_size=200,
        update_conflicts=True,
        unique_fields=["report", "application", "page", "hour", "kind"],
        update_fields=["bins"],
    )
    changes.write()


# In one statement, however many: the ORM would nest a condition for each.
DELETE = """
DELETE FROM reports_sessionheat AS heat
 USING unnest(%s::uuid[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[])
       AS gone(report_id, application_id, page, hour, kind)
 WHERE (heat.report_id, heat.application_id, heat.page, heat.hour, heat.kind)
     = (gone.report_id, gone.application_id, gone.page, gone.hour, gone.kind)
"""


def _delete(gone: Sequence[tuple[Any, ...]]) -> None:
    if gone:
        with connection.cursor() as cursor:
            cursor.execute(DELETE, [[*column] for column in zip(*gone, strict=True)])


def take_back(report: SessionReport) -> None:
    """What a report contributed that is about to be deleted; its heat goes with it."""
    changes = Changes()
    changes.take(_read(SessionHeat.objects.filter(report=report))[report.pk])
    changes.write()


class Changes:
    def __init__(self) -> None:
        self._added: dict[HeatKey, list[bytes]] = defaultdict(list)
        self._taken: dict[HeatKey, list[bytes]] = defaultdict(list)

    def add(self, heat: Bins) -> None:
        for key, bins in heat.items():
            self._added[key].append(bins)

    def take(self, heat: Bins) -> None:
        for key, bins in heat.items():
            self._taken[key].append(bins)

    def write(self) -> None:
        rows = [
            HeatChange(**key._asdict(), bins=bins)
            for key in sorted(self._added.keys() | self._taken.keys())
            if (bins := merged(b"".join(self._added[key]), b"".join(self._taken[key])))
        ]
        HeatChange.objects.bulk_create(rows, batch_size=200)


def _kept(builds: Iterable[Build]) -> dict[UUID, dict[HeatKey, bytes]]:
    """The heat there is of the sessions folded anew, and that which the others go on with."""
    anew = [build.report.pk for build in builds if build.anew and build.before]
    others = [build for build in builds if build.heat and not build.anew]
    pages = {key.page for build in others for key in build.heat}
    hours = {key.hour for build in others for key in build.heat}
    gone_on_with = Q(
        report__in=[build.report.pk for build in others], page__in=pages, hour__in=hours
    )
    return _read(SessionHeat.objects.filter(Q(report__in=anew) | gone_on_with))


def _read(rows: Iterable[SessionHeat]) -> dict[UUID, dict[HeatKey, bytes]]:
    heat: dict[UUID, dict[HeatKey, bytes]] = defaultdict(dict)
    for row in rows:
        key = HeatKey(row.application_id, row.page, row.hour, row.kind)
        heat[row.report_id][key] = bytes(row.bins)
    return heat
