"""Heatmaps are the sums of what there is, whatever happened to it before."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.builder import build, build_stale, recompute
from reports.fold import FoldEvent
from reports.models import Heat, HeatChange, SessionHeat, SessionReport
from reports.rollup import roll_up
from tests.cast import Sender, at, event, path, refused, sender
from tests.reports.test_heat import bins, counted
from tracking import erase
from tracking.audit import Actor
from tracking.digest import digest_until_empty
from tracking.models import Event, Session

ACTOR = Actor("somebody")
type Sums = dict[tuple[Any, ...], dict[tuple[int, int], int]]


def on_page(session: UUID, seconds: float, page: str = "/", step: float = 9.0) -> Any:
    """A path of 20 samples on a page that is scrolled by 100 px."""
    places = [n * step for n in range(20)]
    sent = path(session, seconds, [n * 16.0 for n in range(20)], places, places)
    sent["data"]["page"] = {"path": page, "w": 1280, "h": 4000, "scroll_x": 0, "scroll_y": 100}
    return sent


def clicked(session: UUID, seconds: float, x: float = 200, y: float = 40) -> Any:
    data = {"x": x, "y": y, "button": 0, "target": "a"}
    return event(session, category="pointer", name="click", data=data, timestamp=at(seconds))


def there() -> Sums:
    rows = Heat.objects.all()
    for row in rows:
        assert row.total == sum(bins(bytes(row.bins)).values())
    return {
        (row.application_id, row.page, row.kind, row.step, row.start): bins(bytes(row.bins))
        for row in rows
    }


def expected() -> Sums:
    """The same from the events that there are, of the sessions that have a report."""
    sums: dict[Any, Counter[tuple[int, int]]] = {}
    for report in SessionReport.objects.all():
        rows = Event.objects.filter(session_id=report.pk).order_by("id")
        events = [
            FoldEvent(
                one.pk,
                one.timestamp,
                one.category,
                one.name,
                json.dumps(one.data),
                one.application_id,
            )
            for one in rows
        ]
        for key, found in counted(events).items():
            for step, start in (("hour", key.hour), ("day", key.hour.replace(hour=0))):
                place = key.application_id, key.page, key.kind, step, start
                sums.setdefault(place, Counter()).update(found)
    return {key: dict(found) for key, found in sums.items()}


def caught_up() -> Sums:
    digest_until_empty()
    build_stale()
    roll_up()
    assert not HeatChange.objects.exists()
    return there()


@pytest.fixture
def three(shop: Sender) -> list[UUID]:
    """Sessions on two pages, which have been summed."""
    sessions = [UUID(int=number) for number in (1, 2, 3)]
    for number, session in enumerate(sessions):
        moved = [on_page(session, 20 * n + number, f"/{n % 2}", 9 + number) for n in range(4)]
        shop.send(*moved, clicked(session, 35))
    caught_up()
    return sessions


def test_heatmaps_are_the_sums_of_the_sessions(three: list[UUID]) -> None:
    assert there() == expected()
    assert {(key[1], key[2]) for key in there()} == {
        ("/0", "move"),
        ("/1", "move"),
        ("/1", "click"),
    }


def kept(session: UUID) -> list[Any]:
    rows = SessionHeat.objects.filter(report=session).order_by("page", "hour", "kind")
    return [[*row[:4], bytes(row[4])] for row in rows.values_list(*FIELDS)]


FIELDS = ("application_id", "page", "hour", "kind", "bins")


def test_a_live_session_adds_what_comes_and_a_recompute_changes_nothing(
    shop: Sender, session: UUID
) -> None:
    for second in range(0, 100, 20):
        shop.send(on_page(session, second, step=second), clicked(session, second + 1))
        build(session)
        roll_up()
        assert there() == expected()
    report = SessionReport.objects.get()
    assert report.build == report.anew_build + 4
    went_on = kept(session)
    recompute(session)
    assert kept(session) == went_on
    assert not HeatChange.objects.exists()


def test_a_late_event_changes_where_the_clicks_after_it_were(shop: Sender, session: UUID) -> None:
    shop.send(on_page(session, 0, "/a"), clicked(session, 20))
    caught_up()
    shop.send(on_page(session, 10, "/b"))
    assert caught_up() == expected()
    assert {key[1] for key in there() if key[2] == "click"} == {"/b"}
    assert {row.page for row in SessionHeat.objects.filter(kind="click")} == {"/b"}


def test_corrected_and_deleted_events_are_taken_back(shop: Sender, three: list[UUID]) -> None:
    wrong, *others = Event.objects.filter(session=three[0], name="path").order_by("id")
    correct_event(shop, wrong, "/elsewhere")
    erase.delete_event(others[1], ACTOR)
    assert caught_up() == expected()
    assert "/elsewhere" in {key[1] for key in there()}


def correct_event(shop: Sender, wrong: Event, page: str) -> None:
    data = on_page(wrong.session_id, 0, page)["data"]
    headers = {"Authorization": f"Bearer {shop.key}"}
    answer = shop.client.patch(
        f"/api/events/{wrong.pk}",
        json.dumps({"data": data}),
        content_type="application/json",
        headers=headers,
    )
    assert answer.status_code == 200, answer.content


def test_an_erased_session_leaves_no_page_behind(three: list[UUID]) -> None:
    for session in three[:2]:
        erase.erase_session(session, None, ACTOR)
    assert caught_up() == expected()
    erase.erase_session(three[2], None, ACTOR)
    assert caught_up() == {}
    assert not SessionHeat.objects.exists()


def test_each_application_has_its_own(shop: Sender, stranger: Sender, session: UUID) -> None:
    shop.send(on_page(session, 0, "/shop"))
    stranger.send(on_page(session, 10, "/theirs"), clicked(session, 20))
    shop.send(clicked(session, 30))
    sums = caught_up()
    assert sums == expected()
    assert {(key[0], key[1]) for key in sums if key[2] == "click"} == {
        (shop.application_id, "/shop"),
        (stranger.application_id, "/theirs"),
    }


def test_a_roller_that_dies_loses_and_doubles_nothing(three: list[UUID], shop: Sender) -> None:
    before = there()
    shop.send(*[on_page(session, 200, "/new") for session in three])
    build_stale()
    waiting = HeatChange.objects.count()
    with refused("reports_heat", "page <> '/new'"), pytest.raises(Exception, match="bad"):
        roll_up()
    assert (there(), HeatChange.objects.count()) == (before, waiting)
    assert caught_up() == expected()


WHAT_HAPPENS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "click", "build", "build", "roll", "recompute"])
        | st.sampled_from(["delete", "correct", "erase"]),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(-4_000, 150),
    ),
    min_size=4,
    max_size=14,
)


@pytest.fixture(scope="module")
def senders(lasting_db: None) -> list[Sender]:
    return [sender(f"application {number}") for number in range(2)]


@settings(deadline=None, max_examples=25)
@given(happenings=WHAT_HAPPENS)
def test_whatever_happens_heatmaps_are_the_sums_of_what_is_there(
    senders: list[Sender], happenings: list[tuple[str, int, int, int]]
) -> None:
    sessions = [uuid4() for _ in range(3)]
    for what, place, application, seconds in happenings:
        HAPPENS[what](sessions[place], senders[application], seconds)
    assert caught_up() == expected()


def some_event(session: UUID, by: Sender) -> Event | None:
    mine = Event.objects.filter(session=session, application=by.application_id)
    return mine.order_by("id").first()


def delete(session: UUID, by: Sender, seconds: int) -> None:
    if wrong := some_event(session, by):
        erase.delete_event(wrong, ACTOR)


def correct(session: UUID, by: Sender, seconds: int) -> None:
    if (wrong := some_event(session, by)) and wrong.name == "path":
        correct_event(by, wrong, "/corrected")


def anew(session: UUID, by: Sender, seconds: int) -> None:
    with contextlib.suppress(Session.DoesNotExist):
        recompute(session)


HAPPENS: dict[str, Callable[[UUID, Sender, int], Any]] = {
    "send": lambda session, by, seconds: by.send(on_page(session, seconds, f"/{seconds % 3}")),
    "click": lambda session, by, seconds: by.send(clicked(session, seconds)),
    "build": lambda *given: build_stale(),
    "roll": lambda *given: roll_up(),
    "recompute": anew,
    "delete": delete,
    "correct": correct,
    "erase": lambda session, by, seconds: erase.erase_session(session, by.application_id, ACTOR),
}
