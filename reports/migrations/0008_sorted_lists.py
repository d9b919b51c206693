from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models import F, Q

from reports.kinds_of import Categories, Names

NUMBERS = (
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


def latest_first(field: str) -> tuple[models.OrderBy, models.OrderBy]:
    return F(field).desc(nulls_last=True), F("session_id").desc()


INDEXES = (
    *(models.Index(*latest_first(name), name=f"report_by_{name}") for name in NUMBERS),
    models.Index(*latest_first("ended_at"), condition=Q(flags__gt=[]), name="report_flagged"),
    GinIndex(
        Categories("by_name"),
        Names("by_name"),
        name="report_kinds",
    ),
)


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0007_rollup_kinds"),
        ("tracking", "0019_audit_of_staff"),
    ]

    operations = [migrations.AddIndex(model_name="sessionreport", index=index) for index in INDEXES]
