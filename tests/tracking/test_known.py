"""What a digest finds to be there already, whether little or much is stored around it."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.cast import Sender, at, event
from tracking import known
from tracking.known import NOTHING, look_up
from tracking.models import DeletedEvent, ErasedSession, Event


@pytest.fixture(params=["few", "many"])
def around(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events around those looked for; or more than would be read."""
    if request.param == "many":
        monkeypatch.setattr(known, "FEW", 0)


def store(shop: Sender, session: UUID, count: int) -> list[bytes]:
    shop.send(*[event(session, timestamp=at(n)) for n in range(count)])
    return [id.bytes for id in Event.objects.order_by("id").values_list("pk", flat=True)]


def shifted(id: bytes) -> bytes:
    """An id of the same moment."""
    return id[:-1] + bytes([id[-1] ^ 1])


def test_stored_events_are_known_and_others_are_not(
    shop: Sender, session: UUID, around: None
) -> None:
    stored = store(shop, session, 5)
    asked = sorted([*stored[1:4], shifted(stored[2]), shifted(stored[4])])
    assert set(look_up(asked, []).events) == set(stored[1:4])


def test_deleted_events_are_known(shop: Sender, session: UUID, around: None) -> None:
    stored = store(shop, session, 2)
    deleted, other = (UUID(bytes=shifted(id)) for id in stored)
    DeletedEvent.objects.create(id=deleted)
    assert set(look_up(sorted([deleted.bytes, other.bytes]), []).events) == {deleted.bytes}


@pytest.mark.django_db
def test_of_nothing_nothing_is_known() -> None:
    assert look_up([], []) == NOTHING
    assert not look_up([uuid4().bytes], [uuid4().bytes])


def test_a_session_is_erased_for_one_application_or_for_all(shop: Sender) -> None:
    one, everyones, other = (uuid4() for _ in range(3))
    ErasedSession.objects.create(session_id=one, application_id=shop.application_id)
    ErasedSession.objects.create(session_id=everyones, application=None)
    found = look_up([], [id.bytes for id in (one, everyones, other)])
    assert found
    assert found.is_erased(one.bytes, shop.application_id)
    assert not found.is_erased(one.bytes, shop.application_id + 1)
    assert found.is_erased(everyones.bytes, shop.application_id + 1)
    assert not found.is_erased(other.bytes, shop.application_id)
