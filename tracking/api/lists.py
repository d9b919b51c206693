"""What all lists of the API have in common: filters, an order that an index has, and pages."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.api.auth import own_application
from tracking.api.filters import FilterBackend, Filters
from tracking.api.pagination import Order, Pagination, Rows


class ListView(ListModelMixin, GenericAPIView[Any]):
    """Rows of `queryset`, of a key's own application only, in `order`.

    (drf-spectacular knows a list by its mixin.)
    """

    order: Order
    filter_backends = [FilterBackend]
    pagination_class = Pagination

    def get(self, request: Request, **address: Any) -> Response:
        filters = self.filters(request)
        pages = Pagination()
        page = pages.page_of(self.rows(filters), self.order_of(filters), request)
        results = self.get_serializer(page, many=True).data
        return pages.answer(results, filters.applied)

    def filters(self, request: Request) -> Filters:
        application = self.scope(request)
        rows = self.get_queryset()
        own = rows if application is None else self.of_application(rows, application)
        return FilterBackend().filters_of(request, own, self)

    def scope(self, request: Request) -> int | None:
        return own_application(request)

    def of_application(self, rows: QuerySet[Any], application: int) -> QuerySet[Any]:
        return rows.filter(application_id=application)

    def rows(self, filters: Filters) -> Rows:
        return [filters.qs]

    def order_of(self, filters: Filters) -> Order:
        return self.order
