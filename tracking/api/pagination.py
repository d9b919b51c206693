"""Pages of a list, each beginning where the last one ended, whatever is stored meanwhile."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import AutoField, F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from tracking.api.errors import ApiError
from tracking.ids import EPOCH, MICROSECOND

PAGE_SIZE = 100
MOST = 1_000
UUID_TEXT = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NUMBER = "[0-9]{1,18}"


@dataclass(frozen=True, slots=True)
class Order:
    """By a time and the id, or by the id alone. What has no time (where it may have none) is last."""

    time: str | None = None
    id: str = "id"
    newest_first: bool = True
    may_be_null: bool = False

    def by(self, backwards: bool) -> list[OrderBy]:
        falling = self.newest_first != backwards
        nulls = {"nulls_first" if backwards else "nulls_last": True} if self.may_be_null else {}
        by = [direction(self.time, falling, **nulls)] if self.time else []
        return [*by, direction(self.id, falling)]

    def beyond(self, place: "Place", backwards: bool) -> list[Q]:
        """The rows beyond a place, as conditions that an index can follow, one after another."""
        ahead = "lt" if self.newest_first != backwards else "gt"
        beyond_id = Q(**{f"{self.id}__{ahead}": place.id})
        if self.time is None:
            return [beyond_id]
        without, with_one = (Q(**{f"{self.time}__isnull": null}) for null in (True, False))
        if place.time is None:
            return [without & beyond_id, *([with_one] if backwards else [])]
        # The first condition is for the index: it bounds what the second one looks at.
        until = Q(**{f"{self.time}__{ahead}e": place.time})
        strictly = Q(**{f"{self.time}__{ahead}": place.time})
        rest = [without] if self.may_be_null and not backwards else []
        return [until & (strictly | beyond_id), *rest]


def direction(field: str, falling: bool, **nulls: Any) -> OrderBy:
    return F(field).desc(**nulls) if falling else F(field).asc(**nulls)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order a row stands."""

    time: datetime | None
    id: Any


def place_of(row: Model, order: Order) -> Place:
    return Place(getattr(row, order.time) if order.time else None, row.pk)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A page's rows are those after a place, or before it; without one, from that end on."""

    backwards: bool = False
    place: Place | None = None

    def text(self, order: Order) -> str:
        word = "before" if self.backwards else "after"
        if self.place is None:
            return word
        if order.time is None:
            return f"{word}.{self.place.id}"
        micros = "" if self.place.time is None else (self.place.time - EPOCH) // MICROSECOND
        return f"{word}.{micros}.{self.place.id}"


def cursor_pattern(model: type[Model], order: Order) -> str:
    """What a cursor of this list looks like: a word, microseconds since 1970, an id."""
    id = NUMBER if isinstance(model._meta.pk, AutoField) else UUID_TEXT
    digits = "{0,17}" if order.may_be_null else "{1,17}"
    time = rf"([0-9]{digits})\." if order.time else "()"
    return rf"(after|before)(?:\.{time}({id}))?"


def cursor_from(text: str, model: type[Model], order: Order) -> Cursor:
    """Raises `ApiError` for what is no cursor of this list."""
    found = re.fullmatch(cursor_pattern(model, order), text)
    if found is None:
        message = "cursor: it must come from an earlier answer of this list."
        raise ApiError("bad_value", message, "cursor")
    word, micros, id = found[1], found[2], found[3]
    if id is None:
        return Cursor(word == "before")
    time = EPOCH + int(micros) * MICROSECOND if micros else None
    return Cursor(word == "before", Place(time, model._meta.pk.to_python(id)))


# A list is one query, or several whose rows are merged: each then reads an index in its order.
Rows = Sequence[QuerySet[Any]]


class Pagination(BasePagination):
    """Cursors that hold a whole place, time and id, so that ties neither repeat nor get lost."""

    def page_of(self, rows: Rows, order: Order, request: Request) -> list[Any]:
        self.address, self.order = request.build_absolute_uri(), order
        size = page_size_of(request)
        cursor = cursor_from(request.query_params.get("cursor", "after"), rows[0].model, order)
        backwards = cursor.backwards
        found = take(rows, order, cursor.place, backwards, size + 1)
        page = found[:size][::-1] if backwards else found[:size]
        more, began = len(found) > size, cursor.place is not None
        self._link(page, before=more if backwards else began, after=began if backwards else more)
        return page

    def _link(self, page: list[Any], before: bool, after: bool) -> None:
        """Beyond an empty page, whose rows are gone, the list begins at its other end."""
        ends = (page[0], page[-1]) if page else (None, None)
        first, last = (row and place_of(row, self.order) for row in ends)
        self.previous = self._to(Cursor(True, first)) if before else None
        self.next = self._to(Cursor(False, last)) if after else None

    def _to(self, cursor: Cursor) -> str:
        return replace_query_param(self.address, "cursor", cursor.text(self.order))

    def answer(self, results: Any, filters: dict[str, Any]) -> Response:
        return Response(
            {"results": results, "next": self.next, "previous": self.previous, "filters": filters}
        )

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        pattern = f"^{cursor_pattern(view.queryset.model, view.order)}$"
        size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE_SIZE}
        return [
            parameter("page_size", size, "How many rows."),
            parameter(
                "cursor",
                {"type": "string", "pattern": pattern},
                "Where to go on: it is in `next` and `previous`.",
            ),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {
            "results": schema,
            "next": link,
            "previous": link,
            "filters": {"type": "object", "description": "Each filter, as it was understood."},
        }
        return {"type": "object", "required": [*properties], "properties": properties}


def take(rows: Rows, order: Order, place: Place | None, backwards: bool, most: int) -> list[Any]:
    """The first rows beyond the place, one condition after another until there are enough."""
    found: list[Any] = []
    for condition in order.beyond(place, backwards) if place else [Q()]:
        if len(found) < most:
            beyond = [part.filter(condition) for part in rows]
            found += merged(beyond, order.by(backwards), most - len(found))
    return found


def merged(rows: Rows, by: list[OrderBy], most: int) -> QuerySet[Any]:
    first, *others = (part.order_by(*by)[:most] for part in rows)
    return first.union(*others, all=True).order_by(*by)[:most] if others else first


def page_size_of(request: Request) -> int:
    text = request.query_params.get("page_size", str(PAGE_SIZE))
    if not (re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= MOST):
        message = f"page_size: a number from 1 to {MOST:,} is needed."
        raise ApiError("bad_value", message, "page_size")
    return int(text)


def parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": description,
    }
