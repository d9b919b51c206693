"""The shapes of answers that no serializer makes, in JSON Schema, for the OpenAPI document."""

from typing import Any

from tracking import wire

type Json = dict[str, Any]

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
NUMBER: Json = {"type": "number"}
YES_NO: Json = {"type": "boolean"}
UUID: Json = {"type": "string", "format": "uuid"}
TIME: Json = {"type": "string", "format": "date-time"}


def nullable(schema: Json) -> Json:
    return {**schema, "type": [schema["type"], "null"]}


def array_of(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def shape(**properties: Json) -> Json:
    """An object that has all of these and nothing else."""
    return {
        "type": "object",
        "required": [*properties],
        "properties": properties,
        "additionalProperties": False,
    }


ACCEPTED = shape(
    receipt=UUID, accepted={"type": "integer", "minimum": 1, "maximum": wire.MAX_EVENTS}
)
QUEUED = shape(task=UUID)
MADE = shape(id=UUID)
WRONG = {"field": TEXT, "code": TEXT, "message": TEXT, "value": TEXT}
RECEIPT = shape(
    receipt=UUID,
    state={"type": "string", "enum": ["waiting", "digested", "set_aside"]},
    received_at=TIME,
    digested_at=nullable(TIME),
    events=COUNT,
    stored=COUNT,
    duplicate=COUNT,
    rejected=COUNT,
    waiting=COUNT,
    errors=array_of(shape(position=COUNT, **WRONG, resolved_at=nullable(TIME))),
)
VERDICT = shape(position=COUNT, valid=YES_NO, id=nullable(UUID), errors=array_of(shape(**WRONG)))
VALIDATED = shape(events=COUNT, valid=COUNT, invalid=COUNT, results=array_of(VERDICT))
YEAR_2000_MS = 946_684_800_000
POINT: Json = {
    "type": "object",
    "required": ["time"],
    "properties": {
        "time": {
            "anyOf": [{**TIME}, {**NUMBER, "minimum": YEAR_2000_MS}],
            "description": "ISO 8601, or milliseconds since 1970 (UTC); not in the future.",
        },
        "x": {**NUMBER, "minimum": -1_000_000, "maximum": 1_000_000, "default": 0},
        "y": {**NUMBER, "minimum": -1_000_000, "maximum": 1_000_000, "default": 0},
    },
}
POINTS = array_of(POINT, minItems=1, maxItems=wire.MAX_EVENTS)
