"""A late, corrected, deleted or erased event: its session's report is right again within seconds."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from reports.models import SessionReport
from tests.cast import Sender, event, move
from tests.processes import Process
from tests.waiting import until
from tracking.models import Event, Session

pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]

SECONDS = 5.0


def reported(session: UUID, seconds: float = SECONDS, **expected: object) -> None:
    """Waits until the report is up to date and says so."""

    def look() -> bool:
        found = SessionReport.objects.filter(pk=session).values(*expected).first()
        return found == expected and not Session.objects.get(pk=session).stale

    until(look, seconds)


@pytest.fixture
def moved(shop: Sender, session: UUID, worker: Process, beat: Process) -> UUID:
    """A session whose pointer went 30 px to the right, and one click that a form was sent with."""
    shop.send(*[move(session, n / 10, 10 * n, 0) for n in range(4)], form(session))
    reported(session, seconds=30, distance_px=30, samples=4, submits=1)
    return session


def form(session: UUID) -> dict[str, Any]:
    return event(session, category="form interaction", name="submit", data={"fields": 3})


def address(session: UUID, **fields: object) -> str:
    return f"/api/events/{Event.objects.filter(session=session, **fields).latest('pk').pk}"


def staff() -> Client:
    client, user = Client(), User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="tracking"))
    client.force_login(user)
    return client


def call(who: Sender | Client, method: str, path: str, body: Any = None) -> None:
    """By the key of a sender, or by staff."""
    client = who if isinstance(who, Client) else who.client
    headers = {} if isinstance(who, Client) else {"Authorization": f"Bearer {who.key}"}
    text = "" if body is None else json.dumps(body)
    answer = client.generic(method, path, text, content_type="application/json", headers=headers)
    assert answer.status_code in {200, 204}, answer.content


def test_a_late_event_comes_in(shop: Sender, moved: UUID) -> None:
    shop.post([move(moved, 0.15, 15, 20)])
    reported(moved, distance_px=pytest.approx(20 + 2 * (5**2 + 20**2) ** 0.5), samples=5)


@pytest.mark.parametrize("by_staff", [False, True], ids=["by key", "by staff"])
class TestByWhom:
    @pytest.fixture
    def who(self, shop: Sender, by_staff: bool) -> Sender | Client:
        return staff() if by_staff else shop

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_corrected_event_is_measured_anew(
        self, moved: UUID, who: Sender | Client, method: str
    ) -> None:
        change = {"category": "pointer", "name": "move", "data": {"x": 30, "y": 40}}
        call(who, method, address(moved, name="move"), change)
        reported(moved, distance_px=pytest.approx(20 + (10**2 + 40**2) ** 0.5), samples=4)

    def test_an_event_becomes_one_of_another_kind(self, moved: UUID, who: Sender | Client) -> None:
        call(who, "PATCH", address(moved, name="submit"), {"name": "reset"})
        reported(moved, submits=0, samples=4)

    def test_a_deleted_event_is_gone(self, moved: UUID, who: Sender | Client) -> None:
        call(who, "DELETE", address(moved, name="move"))
        reported(moved, distance_px=20, samples=3)


def test_what_an_application_erased_is_gone(shop: Sender, stranger: Sender, moved: UUID) -> None:
    stranger.post([move(moved, 0.4, 50, 0)])
    reported(moved, distance_px=50, samples=5)
    call(shop, "DELETE", f"/api/sessions/{moved}")
    reported(moved, distance_px=0, samples=1, submits=0)


def test_what_staff_erase_has_no_report(moved: UUID) -> None:
    call(staff(), "DELETE", f"/api/sessions/{moved}")
    until(lambda: not SessionReport.objects.filter(pk=moved).exists(), SECONDS)
    assert not Session.objects.filter(pk=moved).exists()
