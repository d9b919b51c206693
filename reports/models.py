from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils.timezone import now

from reports.heat import CLICK, MOST_TEXT, MOVE
from reports.kinds_of import Categories, Names
from reports.parameters import PARAMETERS
from tracking.models import Application, Session

WHY_FINAL = (
    "Events of this session were deleted because their application keeps them no longer ('keep events "
    "for (days)' on its page), so its report cannot be computed anew. It stays as it is."
)


# The numbers by which lists of reports and of sessions are sorted and filtered.
SORTED = (
    "started_at",
    "duration_ms",
    "active_ms",
    "events",
    "errors",
    "page_views",
    "submits",
    "clicks",
    "rage_bursts",
    "samples",
    "distance_px",
    "moving_ms",
    "mean_speed",
    "speed_p50",
    "speed_p95",
    "peak_speed",
    "median_dt_ms",
)


class SessionReport(models.Model):
    """What was computed about a session. `pointer.py` and `metrics.py` define every number."""

    session = models.OneToOneField(Session, models.CASCADE, primary_key=True, related_name="report")
    version = models.CharField(max_length=20, help_text="The algorithm and its parameters.")
    revision = models.BigIntegerField(help_text="The session's revision that this report saw.")
    computed_at = models.DateTimeField()
    data_until = models.DateTimeField(null=True, help_text="The last event or pointer sample.")
    # Every write of the report is a build; the series of seconds is read from build to build.
    build = models.BigIntegerField()
    anew_build = models.BigIntegerField(help_text="The last build that folded all events anew.")
    final = models.BooleanField(
        db_default=False, help_text="Never computed anew: events that it is of have expired."
    )
    # What the fold needs to go on; without it the next build folds anew.
    state = models.BinaryField(null=True)
    # Whose events it holds, and whose rollups count it; null: none do yet.
    application_ids = ArrayField(models.BigIntegerField(), null=True)

    events = models.BigIntegerField()
    by_category = models.JSONField()
    by_name = models.JSONField()
    other_kinds = models.BigIntegerField()
    errors = models.BigIntegerField()
    page_views = models.BigIntegerField()
    submits = models.BigIntegerField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField("duration (ms)", null=True)
    active_ms = models.FloatField("active (ms)")

    samples = models.BigIntegerField()
    distance_px = models.FloatField("distance (px)")
    observed_ms = models.FloatField("observed (ms)")
    moving_ms = models.FloatField("moving (ms)")
    span_ms = models.FloatField("span (ms)", null=True)
    mean_speed = models.FloatField("mean speed while moving (px/s)", null=True)
    mean_speed_elapsed = models.FloatField("mean speed over the span (px/s)", null=True)
    speed_p50 = models.FloatField("median speed (px/s)", null=True)
    speed_p95 = models.FloatField("p95 speed (px/s)", null=True)
    peak_speed = models.FloatField("peak speed (px/s)", null=True)
    median_dt_ms = models.FloatField("median sampling interval (ms)", null=True)
    acceleration_p95 = models.FloatField("p95 acceleration (px/s²)", null=True)
    strokes = models.BigIntegerField()
    gaps = models.BigIntegerField()
    straightness = models.FloatField(null=True)
    turning_rad = models.FloatField("turning (rad)")
    flips_x = models.BigIntegerField("flips along x")
    flips_y = models.BigIntegerField("flips along y")
    clicks = models.BigIntegerField()
    rage_bursts = models.BigIntegerField()
    flags = ArrayField(models.CharField(max_length=20))

    class Meta:
        ordering = [F("ended_at").desc(nulls_last=True), "-session_id"]
        indexes = [
            # The admin's list, latest first, page by page.
            models.Index(
                F("ended_at").desc(nulls_last=True),
                F("session_id").desc(),
                name="report_latest",
            ),
            # What to build again after the algorithm changed.
            models.Index("version", condition=Q(final=False), name="report_outdated"),
            # The admin's lists, sorted by a number.
            *(
                models.Index(
                    F(name).desc(nulls_last=True), F("session_id").desc(), name=f"report_by_{name}"
                )
                for name in SORTED
            ),
            # The few that have flags, latest first.
            models.Index(
                F("ended_at").desc(nulls_last=True),
                F("session_id").desc(),
                condition=Q(flags__gt=[]),
                name="report_flagged",
            ),
            # In which sessions events of a category, or of a name, happened.
            GinIndex(
                Categories("by_name"),
                Names("by_name"),
                name="report_kinds",
            ),
        ]
        permissions = [
            ("recompute_sessionreport", "Can recompute session reports"),
            ("rebuild_sessionreport", "Can rebuild all session reports"),
        ]

    def __str__(self) -> str:
        return f"Report of {self.session_id}"

    @property
    def stale(self) -> bool:
        """Whether its session has news, or reports are made in another way now."""
        return self.session.stale or (self.version != PARAMETERS.version and not self.final)


class Rebuild(models.Model):
    """One time that all reports, or all outdated ones, are built anew: see rebuild.py."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    started_at = models.DateTimeField(default=now)
    started_by = models.CharField(max_length=200)
    reason = models.CharField(max_length=100)
    version = models.CharField(max_length=20, help_text="The algorithm when it was begun.")
    only_outdated = models.BooleanField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    total = models.BigIntegerField(help_text="How many there were when it was begun.")
    done = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0, help_text="Those that are final.")
    # The last report that it is done with: newest session first.
    cursor_ended_at = models.DateTimeField(null=True)
    cursor_session = models.UUIDField(null=True)
    updated_at = models.DateTimeField(default=now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # One at a time, running or paused.
            models.UniqueConstraint(
                fields=["finished_at"],
                condition=Q(finished_at=None),
                nulls_distinct=False,
                name="rebuild_alone",
            ),
        ]

    def __str__(self) -> str:
        return f"Rebuild of {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def seen(self) -> int:
        return self.done + self.failed + self.skipped

    @property
    def percent(self) -> int:
        """Of what there was at the beginning; 100 only at the end."""
        if self.state == self.State.DONE:
            return 100
        return min(99, self.seen * 100 // self.total) if self.total else 0


class PointerSecond(models.Model):
    """One second of a session's pointer; `build` is the report's build that last wrote it."""

    pk = models.CompositePrimaryKey("session_id", "second")
    session = models.ForeignKey(
        Session,
        models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="pointer_seconds",
    )
    second = models.DateTimeField()
    distance_px = models.FloatField()
    moving_ms = models.FloatField()
    peak_speed = models.FloatField(null=True)
    samples = models.IntegerField()
    build = models.BigIntegerField()

    class Meta:
        indexes = [
            # What changed in a session's series since a build: the live charts.
            models.Index("session", "build", name="pointersecond_since"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} at {self.second:%H:%M:%S}"


class SessionMinute(models.Model):
    """What a session's events of one minute (UTC) add to the rollups: see minutes.py."""

    pk = models.CompositePrimaryKey("report_id", "minute")
    report = models.ForeignKey(
        SessionReport, models.CASCADE, db_constraint=False, db_index=False, related_name="minutes"
    )
    minute = models.DateTimeField()
    events = models.JSONField()
    distance_px = models.FloatField()
    moving_us = models.BigIntegerField()
    samples = models.BigIntegerField()
    speeds = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.report_id} at {self.minute:%H:%M}"


class Contributed(models.Model):
    """Sums over sessions. Of all applications where there is none: each session counts once.

    Counted at the minutes of the events and samples; sessions at those of their first and last
    event.
    """

    application = models.ForeignKey(
        Application,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    events = models.BigIntegerField(default=0)
    sessions_started = models.BigIntegerField(default=0)
    sessions_ended = models.BigIntegerField(default=0)
    distance_px = models.FloatField(default=0.0)
    moving_us = models.BigIntegerField(default=0)
    samples = models.BigIntegerField(default=0)
    speeds = models.BinaryField(default=b"")

    class Meta:
        abstract = True


class RollupChange(Contributed):
    """The outbox of the builds: what is to be added to the rollups. A row lives for a second."""

    minute = models.DateTimeField()
    written_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"Change at {self.minute:%Y-%m-%d %H:%M}"


class Rollup(Contributed):
    """The sums of a minute, an hour or a day (UTC)."""

    class Step(models.TextChoices):
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"

    step = models.CharField(max_length=6, choices=Step)
    start = models.DateTimeField()
    # At the minute in which they arrived.
    sent = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    errors = models.JSONField(default=dict, help_text="How many of each code.")
    kinds = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="How many stored events of each category and name.",
    )

    class Meta:
        constraints = [
            # One row for each; and what a period of an application consists of.
            models.UniqueConstraint(
                fields=["application", "step", "start"], name="rollup_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(step__in=["minute", "hour", "day"]), name="rollup_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} from {self.start:%Y-%m-%d %H:%M}"


class Heated(models.Model):
    """Where on a page of an application the pointer was, or clicked: `heat.py` packs the bins."""

    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    page = models.CharField(max_length=MOST_TEXT)
    kind = models.CharField(max_length=5)
    bins = models.BinaryField()

    class Meta:
        abstract = True


class SessionHeat(Heated):
    """What a session adds to the heatmaps in an hour (UTC)."""

    pk = models.CompositePrimaryKey("report_id", "application_id", "page", "hour", "kind")
    report = models.ForeignKey(
        SessionReport, models.CASCADE, db_constraint=False, db_index=False, related_name="heat"
    )
    hour = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.report_id} on {self.page}"


class HeatChange(Heated):
    """The outbox of the builds: what is to be added to the heatmaps, or taken out of them."""

    hour = models.DateTimeField()

    def __str__(self) -> str:
        return f"Change on {self.page}"


class Heat(Heated):
    """The sums of an hour or a day (UTC). There is no row for nothing."""

    step = models.CharField(max_length=4)
    start = models.DateTimeField()
    total = models.BigIntegerField()

    class Meta:
        constraints = [
            # One row for each; and what a page's heatmap of a period consists of.
            models.UniqueConstraint(
                fields=["application", "page", "kind", "step", "start"], name="heat_once"
            ),
            models.CheckConstraint(
                condition=Q(step__in=["hour", "day"], kind__in=[MOVE, CLICK]), name="heat_step"
            ),
        ]
        indexes = [
            # Which pages an application has in a period.
            models.Index("application", "kind", "step", "start", name="heat_pages"),
        ]

    def __str__(self) -> str:
        return f"{self.page} from {self.start:%Y-%m-%d %H:%M}"


class SessionTrail(models.Model):
    """The pointer's way through a session, thinned; `trail.py` tells what is in it."""

    session = models.OneToOneField(Session, models.CASCADE, primary_key=True, related_name="trail")
    version = models.CharField(max_length=20)
    revision = models.BigIntegerField(help_text="The session's revision that this trail saw.")
    computed_at = models.DateTimeField()
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"Trail of {self.session_id}"
