"""A report is a function of its session's events: however they arrive, and whenever it is built.

Through the front door, the digest and the database; test_fold.py shows the same of the fold alone.
EYE_ARRIVALS says how many arrivals are tried.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import builder
from reports.fold import FoldEvent
from reports.models import PointerSecond, SessionReport
from tests.cast import Sender
from tests.reports.test_builder import numbers
from tests.reports.test_fold import sessions
from tracking import digest
from tracking.models import Event, EventError, RejectedEvent, Session, SessionApplication

ARRIVALS = settings(
    deadline=None,
    max_examples=int(os.environ.get("EYE_ARRIVALS", "100")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# What refers to a session comes before it.
TABLES = (PointerSecond, SessionReport, EventError, RejectedEvent, SessionApplication, Event)


def do_nothing(session: UUID) -> None:
    """The events wait on in the inbox."""


def digest_it(session: UUID) -> None:
    digest.digest_until_empty()


def build_it(session: UUID) -> None:
    builder.build_stale()


def recompute_it(session: UUID) -> None:
    if Session.objects.filter(pk=session).exists():
        builder.recompute(session)


type Step = Callable[[UUID], None]
STEPS: tuple[Step, ...] = (do_nothing, digest_it, build_it, recompute_it)


@dataclass(frozen=True)
class Arrival:
    """The events of a session, each at least once, in batches; after each batch, what is done."""

    batches: list[list[FoldEvent]]
    steps: list[list[Step]]

    @property
    def events(self) -> list[FoldEvent]:
        return [event for batch in self.batches for event in batch]


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """In half of them in the order of time, so that reports are gone on with."""
    events = draw(sessions().filter(bool))
    again = draw(st.lists(st.sampled_from(events), max_size=5))
    in_order = draw(st.booleans())
    sent = [*events, *again] if in_order else draw(st.permutations([*events, *again]))
    cuts = draw(st.lists(st.integers(0, len(sent)), max_size=5).map(sorted))
    batches = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if a < b]
    steps = st.lists(st.sampled_from(STEPS), max_size=3)
    return Arrival(batches, [draw(steps) for _ in batches])


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "PAUSE_SECONDS", 0)


def post(shop: Sender, session: UUID, events: list[FoldEvent]) -> None:
    body = [
        {
            "session_id": str(session),
            "category": event.category,
            "name": event.name,
            "data": json.loads(event.data),
            "timestamp": event.timestamp.isoformat(),
        }
        for event in events
    ]
    assert shop.post(body).status_code == 202


def forget(session: UUID) -> None:
    """As if nothing had been sent; an erased session would take no events any more."""
    for table in TABLES:
        table.objects.filter(session=session).delete()
    Session.objects.filter(pk=session).delete()


def built(session: UUID) -> dict[str, Any]:
    """Of all that was sent."""
    digest.digest_until_empty()
    builder.build_stale()
    assert not Session.objects.get(pk=session).stale
    return numbers(session)


@ARRIVALS
@given(arrivals())
def test_any_arrival_gives_the_report_of_sending_and_building_once(
    shop: Sender, arrival: Arrival
) -> None:
    session = uuid4()
    for batch, steps in zip(arrival.batches, arrival.steps, strict=True):
        post(shop, session, batch)
        for step in steps:
            step(session)
    however_it_came = built(session)
    forget(session)
    post(shop, session, arrival.events)
    at_once = built(session)
    assert however_it_came == at_once
    assert sum(row[1] for row in at_once["seconds"]) == pytest.approx(at_once["distance_px"])
    assert sum(row[2] for row in at_once["seconds"]) == pytest.approx(at_once["moving_ms"])
    assert sum(row[4] for row in at_once["seconds"]) == at_once["samples"]
    forget(session)
