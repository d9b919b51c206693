"""POST /events/validate: what would become of these events, told at once; nothing is stored."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt

from tracking import event_types, throttle
from tracking.api.accept import body_from, events_of, sender_of
from tracking.api.errors import ApiError, error_response
from tracking.keys import Caller
from tracking.validation import Rejected, ValidEvent, validate


@csrf_exempt
def validate_events(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return error_response(request, ApiError("method_not_allowed"), {"Allow": "POST, OPTIONS"})
    caller = sender_of(request)
    events = events_of(body_from(request, caller))
    throttle.take(caller, len(events))  # it is as much work as to digest them
    return JsonResponse(report(caller, events))


def report(caller: Caller, events: list[bytes]) -> dict[str, Any]:
    types, received_at = event_types.current(), now()
    checked = (validate(raw, caller.application_id, received_at, types) for raw in events)
    results = [result(position, event) for position, event in enumerate(checked)]
    valid = sum(result["valid"] for result in results)
    return {
        "events": len(results),
        "valid": valid,
        "invalid": len(results) - valid,
        "results": results,
    }


def result(position: int, event: ValidEvent | Rejected) -> dict[str, Any]:
    """In the words of a receipt; `id` is the one that the event will have."""
    if isinstance(event, ValidEvent):
        return {"position": position, "valid": True, "id": str(event.id), "errors": []}
    errors = [
        {
            "field": problem.place(),
            "code": problem.code,
            "message": problem.message,
            "value": problem.shown(),
        }
        for problem in event.problems
    ]
    return {"position": position, "valid": False, "id": None, "errors": errors}
