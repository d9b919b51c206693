from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F

from reports.parameters import PARAMETERS
from tracking.models import Session


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
    # What the fold needs to go on; without it the next build folds anew.
    state = models.BinaryField(null=True)

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
            models.Index("version", name="report_version"),
        ]
        permissions = [("recompute_sessionreport", "Can recompute session reports")]

    def __str__(self) -> str:
        return f"Report of {self.session_id}"

    @property
    def stale(self) -> bool:
        """Whether its session has news, or reports are made in another way now."""
        return self.session.stale or self.version != PARAMETERS.version


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
