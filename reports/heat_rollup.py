"""Adding what the builds found of the pointer's whereabouts to the heatmaps: see rollup.py."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from reports.heat import merged
from reports.models import Heat
from reports.sketch import total

KNOWN = """
SELECT heat.*
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
       AS key(application_id, page, kind, step, start)
  JOIN reports_heat AS heat USING (application_id, page, kind, step, start)
"""


class Key(NamedTuple):
    application_id: int
    page: str
    kind: str
    step: str
    start: datetime


def add(changes: Iterable[Any]) -> None:
    """Rows of the outbox, each with its application, page, hour, kind and bins."""
    sums: dict[Key, list[bytes]] = defaultdict(list)
    for application, page, hour, kind, bins in changes:
        for step, start in (("hour", hour), ("day", hour.replace(hour=0))):
            sums[Key(application, page, kind, step, start)].append(bytes(bins))
    known = _known(sums)
    for key, row in known.items():
        sums[key].append(bytes(row.bins))
    found = {key: merged(b"".join(sums[key])) for key in sorted(sums)}
    Heat.objects.bulk_create(
        [
            Heat(**key._asdict(), bins=bins, total=total(bins))
            for key, bins in found.items()
            if bins
        ],
        batch_size=200,
        update_conflicts=True,
        unique_fields=["application", "page", "kind", "step", "start"],
        update_fields=["bins", "total"],
    )
    # What was erased leaves no page behind.
    emptied = [row.pk for key, row in known.items() if not found[key]]
    if emptied:
        Heat.objects.filter(pk__in=emptied).delete()


def _known(keys: Collection[Key]) -> dict[Key, Heat]:
    if not keys:
        return {}
    columns = [[*column] for column in zip(*keys, strict=True)]
    return {
        Key(row.application_id, row.page, row.kind, row.step, row.start): row
        for row in Heat.objects.raw(KNOWN, columns)
    }
