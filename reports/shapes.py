"""The shapes of this app's answers, in JSON Schema, for the OpenAPI document."""

from datetime import datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from reports.fold import Metrics
from reports.models import Rebuild
from tracking.api.shapes import (
    COUNT,
    NUMBER,
    TEXT,
    TIME,
    UUID,
    YES_NO,
    Json,
    array_of,
    nullable,
    shape,
)

OF_TYPE: dict[Any, Json] = {str: TEXT, int: COUNT, float: NUMBER, datetime: TIME}


def of_type(hint: Any) -> Json:
    """What a field of `Metrics` looks like in JSON."""
    if isinstance(hint, UnionType):
        (inner,) = set(get_args(hint)) - {NoneType}
        return nullable(of_type(inner))
    return OF_TYPE.get(hint) or (array_of(TEXT) if "tuple" in str(hint) else {"type": "object"})


METRICS = {name: of_type(hint) for name, hint in get_type_hints(Metrics).items()}
REPORT = shape(
    session=UUID, revision=COUNT, stale=YES_NO, final=YES_NO, computed_at=TIME, **METRICS
)
MOVEMENT: Json = {
    "distance_px": NUMBER,
    "moving_ms": NUMBER,
    "mean_speed": nullable(NUMBER),
    "peak_speed": nullable(NUMBER),
    "samples": COUNT,
}
SECONDS = array_of(shape(second=TIME, **MOVEMENT))
SERIES = shape(
    session=UUID,
    cursor=COUNT,
    reset=YES_NO,
    computed_at=nullable(TIME),
    data_until=nullable(TIME),
    complete=YES_NO,
    seconds=SECONDS,
)
WINDOW = shape(
    **{"session": UUID, "from": nullable(TIME), "to": nullable(TIME)},
    data_until=nullable(TIME),
    **MOVEMENT,
    seconds=SECONDS,
)
ROLLUP = {
    "from": TIME,
    "to": TIME,
    "sent": COUNT,
    "stored": COUNT,
    "duplicate": COUNT,
    "rejected": COUNT,
    "errors": {"type": "object", "additionalProperties": COUNT},
    "events": COUNT,
    "sessions_started": COUNT,
    "sessions_ended": COUNT,
    "active_sessions": COUNT,
    "distance_px": NUMBER,
    "moving_ms": NUMBER,
    "samples": COUNT,
    "mean_speed": nullable(NUMBER),
    "speed_p50": nullable(NUMBER),
    "speed_p95": nullable(NUMBER),
}
ROLLUPS = shape(
    **{"from": TIME, "to": TIME},
    step=TEXT,
    zone=TEXT,
    application=nullable(COUNT),
    totals=shape(**ROLLUP),
    buckets=array_of(shape(**ROLLUP)),
)
HEAT = {"application": COUNT, "from": TIME, "to": TIME, "kind": TEXT}
HEATMAP: Json = {
    "oneOf": [
        shape(
            **HEAT,
            page=TEXT,
            columns=COUNT,
            rows=COUNT,
            total=COUNT,
            max=COUNT,
            bins=array_of({**array_of(COUNT), "description": "Column, row, and how many."}),
        ),
        shape(**HEAT, pages=array_of(shape(page=TEXT, total=COUNT))),
    ]
}
PX = nullable(NUMBER)
MILLISECONDS: Json = {
    **NUMBER,
    "minimum": 0,
    "description": "Milliseconds since the trail's `start`.",
}
STROKE = shape(t=array_of(MILLISECONDS), x=array_of(NUMBER), y=array_of(NUMBER))
TRAIL_CLICK = shape(
    t=MILLISECONDS,
    x=NUMBER,
    y=NUMBER,
    button=nullable(COUNT),
    target=nullable(
        {**TEXT, "description": "As it was sent: text, and not to be taken for markup."}
    ),
    rage={**YES_NO, "description": "Whether it belongs to a rage burst."},
)
VIEW = shape(t=MILLISECONDS, page=nullable(TEXT), w=PX, h=PX, scroll_x=PX, scroll_y=PX)
TRAIL = shape(
    session=UUID,
    revision=COUNT,
    stale=YES_NO,
    computed_at=TIME,
    start=nullable(TIME),
    duration_ms={**NUMBER, "minimum": 0},
    samples=COUNT,
    points=COUNT,
    tolerance_px={
        **NUMBER,
        "description": "How far, at any moment, the pointer is from where this has it, at most.",
    },
    viewports=array_of(shape(w=NUMBER, h=NUMBER)),
    pages=array_of(TEXT),
    strokes=array_of(STROKE),
    clicks=array_of(TRAIL_CLICK),
    views=array_of(VIEW),
    left_out=shape(strokes=COUNT, clicks=COUNT, views=COUNT),
)
REBUILD = shape(
    state={"type": "string", "enum": Rebuild.State.values},
    reason=TEXT,
    started_by=TEXT,
    started_at=TIME,
    updated_at=TIME,
    finished_at=nullable(TIME),
    only_outdated=YES_NO,
    total=COUNT,
    done=COUNT,
    failed=COUNT,
    skipped=COUNT,
    percent=COUNT,
)
TASK = shape(
    task=UUID,
    state=TEXT,
    result=nullable({"type": "object"}),
    error=nullable(TEXT),
)
