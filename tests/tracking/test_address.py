"""Whose address counts: only what trusted proxies say."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from tracking.api.address import address_of

OUTER, INNER, FORGED = "203.0.113.7", "10.0.0.2", "198.51.100.66"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, INNER),
        (0, FORGED, INNER),
        (0, f"{FORGED}, {OUTER}", INNER),
        (1, None, INNER),
        (1, OUTER, OUTER),
        (1, f"{FORGED}, {OUTER}", OUTER),
        (2, f"{FORGED}, {OUTER}, 10.0.0.1", OUTER),
        (1, f"{FORGED}, nonsense", None),
        (1, "'; DROP TABLE", None),
        (1, "", None),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_only_so_many_proxies_are_believed(
    settings: Settings, proxies: int, forwarded: str | None, address: str | None
) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory(REMOTE_ADDR=INNER).get("/", headers=headers)
    assert address_of(request) == address


def test_a_local_socket_has_no_address() -> None:
    assert address_of(RequestFactory(REMOTE_ADDR="").get("/")) is None
