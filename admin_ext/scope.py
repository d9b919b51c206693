"""What the dashboard is about: an application or all of them, and a period. Its address says so."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict

from admin_ext import spans
from admin_ext.filters import whole_number
from admin_ext.spans import PERIODS, BadPeriod
from reports.periods import DAY, HOUR, MINUTE, Period, begin_of, buckets
from reports.rollups import BEGINNING
from tracking.models import Application

DEFAULT = "24h"
CUSTOM = "custom"
MOST_BUCKETS = 250
BUCKETS = (
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    6 * HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    91 * DAY,
    364 * DAY,
)
# A live page of a longer period asks less often; one of the past changes only by what comes late.
POLLS = ((HOUR, 2.0), (2 * DAY, 5.0), (timedelta.max, 15.0))
STILL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scope:
    """The period is of whole minutes, and begins with a whole bucket unless somebody says when."""

    application: int | None
    name: str
    period: Period
    bucket: timedelta
    zone: ZoneInfo
    now: datetime
    # Up to now, whenever that is.
    open_ended: bool = False

    @property
    def before(self) -> Period:
        """As long as the period, and right before it."""
        start, end = self.period
        return Period(max(BEGINNING, start - (end - start)), start)

    @property
    def live(self) -> bool:
        return self.period.end > self.now

    @property
    def elapsed(self) -> float:
        """The part of the period that is over."""
        start, end = self.period
        return max(0.0, (min(end, self.now) - start) / (end - start))

    @property
    def poll_seconds(self) -> float:
        """How often its page asks anew."""
        start, end = self.period
        return next(s for most, s in POLLS if end - start <= most) if self.live else STILL_SECONDS

    @property
    def fresh_seconds(self) -> float:
        """How long an answer is good for: a little less than the time to the next question."""
        return 0.8 * self.poll_seconds

    @property
    def buckets(self) -> list[Period]:
        """The period cut at whole multiples of the bucket, by the clocks of the viewer's zone."""
        return buckets(self.period, self.bucket, self.zone)

    @property
    def key(self) -> str:
        """Equal for pages that show the same."""
        return f"{self.application or 'all'}:{':'.join(self.span.values())}:{self.zone}"

    @property
    def query(self) -> dict[str, Any]:
        """The address of this dashboard, which means the same to everybody."""
        named = {} if self.application is None else {"application": self.application}
        return {**named, **self.span}

    @property
    def span(self) -> dict[str, str]:
        """The part of it that says which period."""
        if self.name in PERIODS:
            return {"period": self.name}
        return spans.written(self.period, self.open_ended)


def scope_of(query: QueryDict, zone: ZoneInfo, moment: datetime) -> Scope:
    """Raises `BadPeriod`, and `Application.DoesNotExist`."""
    application = application_of(query.get("application", ""))
    if not spans.is_typed(query):
        return named(application, query.get("period") or DEFAULT, zone, moment)
    period = spans.typed(query, moment)
    bucket = bucket_for(period.end - period.start)
    return Scope(application, CUSTOM, period, bucket, zone, moment, not query.get("to"))


def named(application: int | None, name: str, zone: ZoneInfo, moment: datetime) -> Scope:
    if name not in PERIODS:
        raise BadPeriod(f"There is no period called “{name[:20]}”: choose one from the list.")
    _, length = PERIODS[name]
    bucket = bucket_for(length)
    start = begin_of(moment - length + MINUTE, bucket, zone)
    return Scope(application, name, Period(start, spans.until_now(moment)), bucket, zone, moment)


def application_of(text: str) -> int | None:
    if not text:
        return None
    if (id := whole_number(text)) is None:
        raise Application.DoesNotExist
    return Application.objects.only("pk").get(pk=id).pk


def bucket_for(length: timedelta) -> timedelta:
    """The shortest that are not too many."""
    return next(size for size in BUCKETS if length <= MOST_BUCKETS * size)
