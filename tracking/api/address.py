"""The network address of a client."""

from ipaddress import ip_address
from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


def address_of(request: HttpRequest | Request) -> str | None:
    """The client's address as the last of `EYE_NUM_PROXIES` trusted proxies saw it.

    With none of them, which is the default, X-Forwarded-For is not looked at: anybody can write it.
    None where there is no address, as on a local socket.
    """
    told = BaseThrottle().get_ident(cast(Request, request)) or ""
    try:
        return str(ip_address(told.partition("%")[0]))
    except ValueError:
        return None
