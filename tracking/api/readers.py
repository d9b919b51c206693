"""The API's description, and two readers for it that need nothing from other hosts."""

from functools import cache
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.pages import Page

# Both readers write styles into the page and draw their icons from data.
POLICY = {
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "worker-src": ["blob:"],
}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes; it does not change while the process lives."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


@extend_schema(exclude=True)
class SchemaView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        return Response(document())


@method_decorator(csp_update(POLICY), name="dispatch")
class Swagger(Page):
    template_name = "tracking/swagger.html"


@method_decorator(csp_update(POLICY), name="dispatch")
class Redoc(Page):
    template_name = "tracking/redoc.html"
