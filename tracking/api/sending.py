"""What the routes have in common that take something from any key, as /events does."""

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from tracking.api.accept import sender_of
from tracking.api.auth import Reader, key_of
from tracking.keys import Caller


class SendingAuthentication(BaseAuthentication):
    """Any live key, as for sending events."""

    def authenticate(self, request: Request) -> tuple[Reader, None] | None:
        if key_of(request._request) is None:
            return None
        return Reader(caller=sender_of(request._request)), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class TakesPosts(APIView):
    """A view that pages may post to, and only servers and staff read."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        if self.request is not None and self.request.method == "POST":
            return [SendingAuthentication(), SessionAuthentication()]
        return super().get_authenticators()


def sender(request: Request) -> Caller:
    """Who posts to a view that `TakesPosts`."""
    reader = request.user
    assert isinstance(reader, Reader)  # noqa: S101 - the permission lets no one else post
    assert reader.caller is not None  # noqa: S101
    return reader.caller
