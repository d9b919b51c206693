"""The event types that come with the service, as the tracker and the first applications send them.

They ask for the right kind of what is there and for nothing to be there, so that what was stored
before they came is still stored. Only the pointer's events, which are measured, must be complete.
"""

import json
from typing import Any

from django.apps.registry import Apps
from django.apps.registry import apps as all_apps
from django.db import connections

from tracking.pointer_events import MAX_COORDINATE, MAX_SAMPLES

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
OBJECT = {"type": ["object", "null"]}
COORDINATE = {"type": "number", "minimum": -MAX_COORDINATE, "maximum": MAX_COORDINATE}
TIME = {"type": "number", "minimum": 0}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _samples(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": MAX_SAMPLES, "items": item}


PAGE = {"host": TEXT, "path": TEXT, "url": TEXT, "title": TEXT, "referrer": TEXT}
POINT = {"x": COORDINATE, "y": COORDINATE}
PATH = {"t": _samples(TIME), "x": _samples(COORDINATE), "y": _samples(COORDINATE)}
PATH_PAGE = {
    "type": ["object", "null"],
    "properties": {"path": {"type": "string"}},
}

SCHEMAS: dict[tuple[str, str], dict[str, Any]] = {
    ("page interaction", "pageview"): _object(PAGE),
    ("page interaction", "cta click"): _object({**PAGE, "element": TEXT}),
    ("form interaction", "submit"): _object({**PAGE, "form": OBJECT}),
    ("pointer", "move"): _object(POINT, "x", "y"),
    ("pointer", "path"): _object({**PATH, "page": PATH_PAGE}, "t", "x", "y"),
    ("pointer", "click"): _object(POINT, "x", "y"),
}

# One statement, as this runs after each flush of the tests too.
MAKE = """
WITH made AS (
    INSERT INTO tracking_eventtype (category, name, built_in, created_at)
    SELECT category, name, true, now()
      FROM unnest(%(categories)s::text[], %(names)s::text[]) AS wanted(category, name)
        ON CONFLICT DO NOTHING
    RETURNING id, category, name
)
INSERT INTO tracking_schemaversion (event_type_id, number, schema, created_at)
SELECT made.id, 1, wanted.schema::jsonb, now()
  FROM unnest(%(categories)s::text[], %(names)s::text[], %(schemas)s::text[])
       AS wanted(category, name, schema)
  JOIN made USING (category, name)
"""


def make_built_in(using: str, apps: Apps = all_apps, **signal: Any) -> None:
    """Makes those that are not there yet. Staff may have made one of that name: it stays."""
    try:
        apps.get_model("tracking", "SchemaVersion")
    except LookupError:  # migrated to before there were any
        return
    with connections[using].cursor() as cursor:
        cursor.execute(
            MAKE,
            {
                "categories": [category for category, _ in SCHEMAS],
                "names": [name for _, name in SCHEMAS],
                "schemas": [json.dumps(schema) for schema in SCHEMAS.values()],
            },
        )
