"""The policy under which the admin's pages run."""

from typing import Any

import pytest
from django.test import Client


def directives(response: Any) -> dict[str, str]:
    parts = [part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";")]
    return {name: (rest or [""])[0] for name, *rest in parts}


def test_the_admin_runs_under_its_own_policy(owner: Client) -> None:
    policy = directives(owner.get("/admin/"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["connect-src"] == "'self'"


def test_other_pages_do_not(client: Client, owner: Client) -> None:
    for address in ("/docs/errors", "/healthz"):
        assert "unsafe" not in owner.get(address)["Content-Security-Policy"]


@pytest.mark.parametrize("address", ["/admin/", "/admin/tracking/session/", "/admin/login/"])
def test_no_page_has_a_script_inside(owner: Client, client: Client, address: str) -> None:
    page = (client if "login" in address else owner).get(address).content.decode()
    for opening in page.split("<script")[1:]:
        tag, inside = opening.split(">", 1)
        assert " src=" in tag or "application/json" in tag, tag
        assert inside.startswith("</script>") or "application/json" in tag
