"""What drf-spectacular cannot read from the views: the accept routes, keys, and every error."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from tracking import validation, wire
from tracking.api.errors import CODES
from tracking.api.shapes import ACCEPTED, VALIDATED, Json

ANYWHERE = (401, 403, 405, 503)
WITH_QUERY = (400,)
WITH_BODY = (400, 413, 415)
RETRIED = (429, 503)
# What sends may have a key of either kind.
ANY_KEY: Any = [{"bearerKey": []}, {"headerKey": []}]
HEADER_KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Eye-Key",
    "description": "A key in a header of its own, as browsers send a publishable one.",
}
# Marks of our own, which do not get into the document.
MORE_ERRORS = "x-more-errors"
OPTIONAL_BODY = "x-optional-body"
KEYS_ALONE = "x-keys-alone"
# What the token of a session reads, but for what is marked.
OF_ONE_SESSION = ("/api/sessions/{id}", "/api/events/{id}")
METHODS = {"get", "post", "put", "patch", "delete"}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.api.auth.KeyAuthentication"
    name = "bearerKey"

    def get_security_definition(self, auto_schema: object) -> Json:
        text = "A key: `Authorization: Bearer eye_sk_…` (or `Token eye_sk_…`). Reading takes a secret one."
        return {"type": "http", "scheme": "bearer", "description": text}


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.api.auth.SessionTokenAuthentication"
    name = "sessionToken"

    def get_security_definition(self, auto_schema: object) -> Json:
        text = "What the capture page holds: it reads one session."
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-Eye-Session-Token",
            "description": text,
        }


def json_of(properties: Json, **more: Any) -> Json:
    """A request's body: a JSON object with these properties."""
    schema = {"type": "object", "properties": properties, **more}
    return {"application/json": schema}


def canonical_only(endpoints: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Of a route's four spellings the first, under /api/ and without the last slash."""
    return [
        endpoint
        for endpoint in endpoints
        if endpoint[0].startswith("/api/") and not endpoint[0].endswith("/")
    ]


def complete(result: Json, generator: object, request: object, public: bool) -> Json:
    """Adds the routes that are plain Django, and to every operation the errors it may answer."""
    schemas = result["components"].setdefault("schemas", {})
    result["components"]["securitySchemes"]["headerKey"] = HEADER_KEY
    schemas |= {"NewEvent": NEW_EVENT, "Accepted": ACCEPTED, "Refusal": error_schema()}
    result["paths"] = {"/api/events": {}} | result["paths"]
    result["paths"]["/api/events"]["post"] = SEND
    result["paths"]["/api/events/validate"] = {"post": VALIDATE}
    for path, operations in result["paths"].items():
        for method in METHODS & operations.keys():
            add_errors(path, operations[method])
            is_marked = operations[method].pop(KEYS_ALONE, False)
            if is_marked or not (method == "get" and path.startswith(OF_ONE_SESSION)):
                without_session_token(operations[method])
    return result


def without_session_token(operation: Json) -> None:
    """REST framework asks every view's authentication, but this one opens only a few."""
    operation["security"] = [one for one in operation["security"] if "sessionToken" not in one]


def add_errors(path: str, operation: Json) -> None:
    if (body := operation.get("requestBody")) and not operation.pop(OPTIONAL_BODY, False):
        body["required"] = True
    statuses = {*ANYWHERE, *WITH_QUERY}
    if "requestBody" in operation:
        statuses |= {*WITH_BODY}
    if "{" in path:
        statuses.add(404)
    statuses |= {*operation.pop(MORE_ERRORS, ())}
    for status, response in operation["responses"].items():
        response["description"] = response["description"] or HTTPStatus(int(status)).phrase
    for status in sorted(statuses - set(map(int, operation["responses"]))):
        operation["responses"][str(status)] = error_response(status)


def error_response(status: int) -> Json:
    codes = [code for code, (answer, _) in CODES.items() if answer == status]
    response: Json = {
        "description": "  \n".join(f"`{code}`: {CODES[code][1]}" for code in codes),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
    }
    if status in RETRIED:
        text = "After how many seconds to send it again."
        schema = {"type": "integer", "minimum": 1}
        response["headers"] = {"Retry-After": {"description": text, "schema": schema}}
    return response


def error_schema() -> Json:
    """The one shape of every error."""
    wrong = {
        "type": "object",
        "required": ["field", "code", "message"],
        "properties": {
            "field": {"type": "string"},
            "code": {"type": "string"},
            "message": {"type": "string"},
        },
    }
    error = {
        "type": "object",
        "required": ["code", "message", "field", "docs"],
        "properties": {
            "code": {"type": "string", "enum": list(CODES)},
            "message": {"type": "string", "description": "What is wrong, and what to do."},
            "field": {"type": ["string", "null"], "description": "Which field is to blame."},
            "docs": {"type": "string", "description": "Where it is explained."},
        },
    }
    return {
        "type": "object",
        "required": ["error", "request_id"],
        "properties": {
            "error": error,
            "errors": {"type": "array", "items": wrong, "description": "All wrong fields."},
            "request_id": {"type": "string", "description": "Names the request in the log."},
        },
    }


NAME = {"type": "string", "minLength": 1, "maxLength": validation.MAX_NAME}
NEW_EVENT: Json = {
    "type": "object",
    "description": f"One thing that happened; at most {wire.MAX_EVENT_BYTES // 1024} KiB.",
    "required": ["session_id", "category", "name", "data", "timestamp"],
    "properties": {
        "session_id": {
            "type": "string",
            "format": "uuid",
            "description": 'Made by the sender. Also as `"session": {"id": "…"}`.',
        },
        "category": {**NAME, "examples": ["page interaction"]},
        "name": {**NAME, "examples": ["cta click"]},
        "data": {
            "type": "object",
            "minProperties": 1,
            "description": "Whatever belongs to it; nested at most "
            f"{wire.MAX_DEPTH} deep. The event type's schema says more, where there is one.",
        },
        "timestamp": {
            "type": "string",
            "description": "ISO 8601, with `T` or a space; without a zone it is UTC. From the year "
            "2000 to 60 s after now.",
            "examples": ["2026-01-31T12:00:00.000000Z"],
        },
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": validation.MAX_CLIENT_ID,
            "description": "Optional: stands for the content when the event is sent again.",
        },
    },
}
CLICK: Json = {
    "session_id": "e2085be5-9137-4e4e-80b5-f1ffddc25423",
    "category": "page interaction",
    "name": "cta click",
    "data": {"host": "www.consumeraffairs.com", "path": "/", "element": "chat bubble"},
    "timestamp": "2021-01-01 09:15:27.243860",
}
SUBMIT: Json = {
    **CLICK,
    "category": "form interaction",
    "name": "submit",
    "data": {"host": "www.consumeraffairs.com", "path": "/", "form": {"first_name": "Ada"}},
    "timestamp": "2021-01-01T09:15:29.5Z",
}
POINTER: Json = {
    **CLICK,
    "category": "pointer",
    "name": "path",
    "data": {"t": [0, 16.7, 33.4], "x": [10, 14, 20], "y": [10, 13, 18]},
    "timestamp": "2021-01-01T09:15:30Z",
}
EVENTS_BODY: Json = {
    "schema": {
        "oneOf": [
            {"$ref": "#/components/schemas/NewEvent"},
            {
                "type": "array",
                "items": {"$ref": "#/components/schemas/NewEvent"},
                "minItems": 1,
                "maxItems": wire.MAX_EVENTS,
            },
        ]
    },
    "examples": {
        "one event": {"value": CLICK},
        "several events": {"value": [CLICK, SUBMIT, POINTER]},
    },
}
RECEIPT_LINK = {
    "receipt": {
        "operationId": "getReceipt",
        "parameters": {"id": "$response.body#/receipt"},
        "description": "What became of it.",
    }
}
SEND: Json = {
    "operationId": "sendEvents",
    "summary": "Send events",
    "description": "Answers as soon as the body is on disk. What is wrong with an event is told by "
    "the receipt, and never keeps the others from being stored. To send the same again is always "
    "right. Limits, measured unpacked: 1,000 events, 64 KiB an event, 5 MiB with a secret key and "
    "1 MiB with a publishable one. `Content-Encoding: gzip` is taken; `text/plain`, which beacons "
    "send, with a publishable key.",
    "tags": ["events"],
    MORE_ERRORS: [429],
    "security": ANY_KEY,
    "parameters": [
        {
            "name": "sent_at",
            "in": "query",
            "schema": {"type": "string"},
            "description": "The sender's clock as it sends this, in ISO 8601: the report then "
            "tells by how much it is off. What is no time is ignored.",
        },
    ],
    "requestBody": {"required": True, "content": {"application/json": EVENTS_BODY}},
    "responses": {
        "202": {
            "description": "Kept, whatever happens next.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
            "links": RECEIPT_LINK,
        }
    },
}
VALIDATE: Json = {
    "operationId": "validateEvents",
    "summary": "Try events out",
    "description": "Tells at once what would become of these events; nothing is stored. They count "
    "towards the key's events a minute.",
    "tags": ["events"],
    MORE_ERRORS: [429],
    "security": ANY_KEY,
    "requestBody": {"required": True, "content": {"application/json": EVENTS_BODY}},
    "responses": {
        "200": {
            "description": "The verdict on each.",
            "content": {"application/json": {"schema": VALIDATED}},
        }
    },
}
