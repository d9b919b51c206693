"""GET and POST /sessions."""

from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import locks, throttle
from tracking.api.accept import body_from
from tracking.api.bodies import content_length, object_of
from tracking.api.errors import ApiError
from tracking.api.filters import Filters, Moment, OfApplication
from tracking.api.lists import ListView
from tracking.api.openapi import ANY_KEY, MORE_ERRORS, OPTIONAL_BODY, json_of
from tracking.api.pagination import Order
from tracking.api.sending import TakesPosts, sender
from tracking.api.serializers import SessionSerializer
from tracking.api.shapes import MADE
from tracking.api.shapes import UUID as UUID_SHAPE
from tracking.ids import NIL, parse_uuid
from tracking.keys import Caller
from tracking.models import Session, SessionApplication
from tracking.tombstones import is_erased


class SessionsOf(OfApplication):
    def of_applications(self, rows: QuerySet[Any], ids: list[int]) -> QuerySet[Any]:
        return rows.filter(of_applications(ids))


def of_applications(applications: list[int], session: str = "pk", after: UUID = NIL) -> Exists:
    """Whether any of the applications sent to the session, whose id is known to be after one."""
    links = SessionApplication.objects.filter(session_id=OuterRef(session))
    # Where a page begins PostgreSQL has to be told of each table it may begin with.
    beyond = links if after == NIL else links.filter(session_id__gt=after)
    return Exists(beyond.filter(application_id__in=applications))


class SessionFilters(Filters):
    application = SessionsOf()
    created_at_after = created_at__gte = created_at_gte = Moment("created_at", "gte")
    created_at_before = created_at__lte = created_at_lte = Moment("created_at", "lte")
    last_event_after = last_event__gte = last_event_gte = Moment("last_at", "gte")
    last_event_before = last_event__lte = last_event_lte = Moment("last_at", "lte")


@extend_schema_view(get=extend_schema(operation_id="listSessions", summary="Sessions"))
class SessionListView(TakesPosts, ListView):
    """Sessions, newest first; POST makes one, or names one to be."""

    queryset = Session.objects.prefetch_related("applications")
    serializer_class = SessionSerializer
    filterset_class = SessionFilters
    staff_permission = {"GET": "tracking.view_session"}
    order = Order("created_at")
    # The order of the index that finds them; sessions go up in it as they go on.
    order_by_last_event = Order("last_at", may_be_null=True)

    def order_of(self, filters: Filters) -> Order:
        asked = any(name.startswith("last_event") for name in filters.applied)
        return self.order_by_last_event if asked else self.order

    def of_application(self, rows: QuerySet[Any], application: int) -> QuerySet[Any]:
        return rows.filter(of_applications([application]))

    @extend_schema(
        operation_id="openSession",
        summary="Get a session id",
        description="Makes one, or takes the one that the body names; it is listed from then on. A "
        "session that nobody opened begins with its first event.",
        request=json_of({"id": UUID_SHAPE}),
        responses={201: MADE, 200: MADE},
        auth=ANY_KEY,
        extensions={MORE_ERRORS: [409, 429], OPTIONAL_BODY: True},
    )
    def post(self, request: Request) -> Response:
        caller = sender(request)
        id = wanted_id(request._request, caller)
        throttle.take(caller, 1)
        is_new = open_session(id, caller.application_id)
        return Response({"id": id}, status=201 if is_new else 200)


def wanted_id(request: HttpRequest, caller: Caller) -> UUID:
    """The id that the body names, or a new one."""
    if content_length(request) == 0:
        return uuid4()
    wanted = object_of(body_from(request, caller).plain)
    if "id" not in wanted:
        return uuid4()
    value = wanted["id"]
    if not isinstance(value, str) or (id := parse_uuid(value)) is None:
        raise ApiError("bad_value", "id: a UUID is needed.", "id")
    return id


def open_session(id: UUID, application: int) -> bool:
    """Makes the session, if need be, and lists it for the application; whether that is new."""
    with transaction.atomic():
        locks.before_storing()
        if is_erased(id, application):
            raise ApiError("session_erased", field="id")
        Session.objects.bulk_create([Session(id=id)], ignore_conflicts=True)
        links = SessionApplication.objects
        return links.get_or_create(session_id=id, application_id=application)[1]
