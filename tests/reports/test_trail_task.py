"""The trail as a worker computes it, for whoever asks through the API."""

from datetime import timedelta
from uuid import UUID

from django.db.models import F

from reports import trails
from reports.models import SessionTrail
from tests.cast import Sender, move, path
from tests.processes import Process
from tests.waiting import until


def url(session: UUID) -> str:
    return f"/api/sessions/{session}/trail"


def test_it_is_computed_when_it_is_asked_for(worker: Process, shop: Sender, session: UUID) -> None:
    shop.send(path(session, 0, [0, 100, 200], [0, 9, 0], [0, 0, 9]))
    first = shop.get(url(session))
    assert (first.status_code, first["Retry-After"]) == (202, "1")
    answer = until(lambda: (found := shop.get(url(session))).status_code == 200 and found)
    assert (answer.json()["samples"], answer.json()["stale"]) == (3, False)
    task = f"/api/tasks/{first.json()['task']}"
    until(lambda: shop.get(task).json()["state"] == "success")
    assert shop.get(task).json()["result"]["session"] == str(session)


def test_a_session_that_goes_on_has_the_older_one_until_there_is_a_newer(
    worker: Process, shop: Sender, session: UUID
) -> None:
    shop.send(move(session, 0, 1, 1))
    trails.compute(session)
    shop.send(move(session, 9, 1, 1))
    answer = shop.get(url(session))
    assert (answer.status_code, answer.json()["stale"]) == (200, True)
    SessionTrail.objects.update(computed_at=F("computed_at") - timedelta(minutes=1))
    until(lambda: not shop.get(url(session)).json()["stale"])
    assert shop.get(url(session)).json()["samples"] == 2
