"""What workers digest: values that cannot be kept, messages that nobody sent, and their own deaths."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import transaction
from django.utils.timezone import now

from tests.cast import Sender, at, event
from tests.line import answered, head
from tests.processes import Process
from tests.waiting import until
from tracking import locks
from tracking.models import Batch, Event, Receipt, SetAsideBatch

pytestmark = pytest.mark.django_db(transaction=True)


def send(web: Process, shop: Sender, body: bytes) -> str:
    """The receipt."""
    length = f"Content-Length: {len(body)}"
    key = f"Authorization: Bearer {shop.key}"
    answer = answered(web, head("POST", "/api/events", key, length) + body)
    assert answer.status == 202, answer.body
    receipt: str = json.loads(answer.body)["receipt"]
    return receipt


def receipt_of(web: Process, shop: Sender, id: str) -> Any:
    """When it is digested."""
    request = head("GET", f"/api/receipts/{id}", f"Authorization: Bearer {shop.key}")

    def look() -> Any:
        told = json.loads(answered(web, request).body)
        return told["state"] != "waiting" and told

    return until(look)


def with_data(text: str) -> bytes:
    return json.dumps(event(UUID(int=1), data={"x": "HERE"})).replace('"HERE"', text).encode()


def without(field: str) -> bytes:
    return json.dumps({k: v for k, v in event(UUID(int=1)).items() if k != field}).encode()


def with_fields(**fields: Any) -> bytes:
    return json.dumps(event(UUID(int=1), **fields)).encode()


VALUES: list[tuple[bytes, set[tuple[str, str]]]] = [
    (with_data('"a\\u0000b"'), {("data.x", "nul_character")}),
    (with_data('{"\\u0000": 1}'), {("data.x.\\u0000", "nul_character")}),
    (with_data('"\\ud800"'), {("data.x", "lone_surrogate")}),
    (with_data('[1, {"y": "\\udc00"}]'), {("data.x[1].y", "lone_surrogate")}),
    (with_data("9223372036854775808"), {("data.x", "integer_out_of_range")}),
    (with_data("-9223372036854775809"), {("data.x", "integer_out_of_range")}),
    (
        with_data(json.dumps({f"key{n}": n for n in range(1_001)})),
        {("data.x", "too_many_keys")},
    ),
    (b"5", {("", "not_an_object")}),
    (without("session_id"), {("session_id", "missing")}),
    (with_fields(session_id="x"), {("session_id", "not_a_uuid")}),
    (with_fields(category="x" * 201), {("category", "too_long")}),
    (with_fields(name=5), {("name", "not_text")}),
    (with_fields(data={}), {("data", "empty")}),
    (with_fields(data="x"), {("data", "not_an_object")}),
    (with_fields(timestamp="10000-01-01"), {("timestamp", "not_a_timestamp")}),
    (with_fields(timestamp="2099-01-01"), {("timestamp", "in_future")}),
    (with_fields(timestamp=at(0), id="x" * 101), {("id", "not_an_id")}),
    (
        with_fields(category="", data=[], timestamp=None),
        {("category", "empty"), ("data", "not_an_object"), ("timestamp", "missing")},
    ),
    (with_data("9223372036854775807"), set()),
    (with_data('"\\ud83d\\ude00"'), set()),
    (with_data("1.5e-300"), set()),
]


def test_each_wrong_field_is_told_and_the_rest_is_stored(
    web: Process, worker: Process, shop: Sender
) -> None:
    receipt = send(web, shop, b"[%b]" % b",".join(body for body, _ in VALUES))
    told = receipt_of(web, shop, receipt)
    errors = [
        {(e["field"], e["code"]) for e in told["errors"] if e["position"] == place}
        for place in range(len(VALUES))
    ]
    assert errors == [expected for _, expected in VALUES]
    assert (told["stored"], told["rejected"]) == (3, len(VALUES) - 3)
    stored = {row.data["x"] for row in Event.objects.all()}
    assert stored == {9_223_372_036_854_775_807, "😀", 1.5e-300}


JUNK: list[tuple[bytes, dict[str, Any]]] = [
    (b"", {"content_type": "application/json"}),
    (b"{", {"content_type": "application/json"}),
    (b"\xff\xfe\x00", {"content_type": "application/json"}),
    (b"5", {"content_type": "application/json"}),
    (b"cos\nsystem\n(S'true'\ntR.", {"content_type": "application/x-python-serialize"}),
    (b"x" * 1_000_000, {"content_type": "application/octet-stream"}),
    (
        b"[[], {}, {}]",
        {"content_type": "application/json", "headers": {"task": "no.such.task", "id": "x"}},
    ),
    (
        b"[[1, 2], {}, {}]",
        {"content_type": "application/json", "headers": {"task": "tracking.digest", "id": "x"}},
    ),
    (b"[[], {}, {}]", {"content_type": "application/json", "headers": {"task": "tracking.digest"}}),
    (b'{"task": "tracking.digest"}', {"content_type": "application/json"}),
]


def test_junk_on_the_queues_ends_no_worker(web: Process, worker: Process, shop: Sender) -> None:
    with current_app.connection_for_write() as broker:
        producer = broker.Producer()
        for queue in ("digest", "reports", "exports", "default"):
            for body, properties in JUNK:
                producer.publish(
                    body,
                    routing_key=queue,
                    content_encoding="utf-8",
                    **{"headers": {}} | properties,
                )
    receipt = send(web, shop, with_fields())
    assert receipt_of(web, shop, receipt)["stored"] == 1
    assert worker.running
    assert worker.output().count("celery@") <= 1


def test_a_broker_that_is_emptied_again_and_again_loses_nothing(
    web: Process, worker: Process, sweeper: Process, shop: Sender
) -> None:
    receipts = []
    for n in range(30):
        receipts.append(send(web, shop, with_fields(timestamp=at(n))))
        current_app.control.purge()
        cache.clear()
    until(lambda: Receipt.objects.filter(pk__in=receipts).count() == 30)
    assert Event.objects.count() == 30


@contextlib.contextmanager
def digests_stuck() -> Iterator[None]:
    """What is claimed meanwhile is not stored."""
    with transaction.atomic():
        locks.before_burying()
        yield


def test_a_worker_whose_children_are_killed_has_others(
    web: Process, worker: Process, shop: Sender
) -> None:
    with digests_stuck():
        receipt = send(web, shop, with_fields())
        until(Batch.objects.filter(attempts=1).exists)
        for child in worker.children():
            os.kill(child, signal.SIGKILL)
    Batch.objects.update(next_at=now())
    another = send(web, shop, with_fields(timestamp=at(1)))
    assert receipt_of(web, shop, receipt)["stored"] == 1
    assert receipt_of(web, shop, another)["stored"] == 1


def test_a_batch_that_keeps_killing_its_digester_is_set_aside_alone(
    web: Process, worker: Process, sweeper: Process, shop: Sender
) -> None:
    worker.kill()
    sweeper.kill()
    deadly = send(web, shop, with_fields(name="deadly"))
    Batch.objects.update(attempts=7)
    with digests_stuck():
        sweeper.start()
        until(Batch.objects.filter(attempts=8).exists)
        sweeper.kill()
    harmless = send(web, shop, with_fields())
    Batch.objects.update(next_at=now())
    sweeper.start()
    assert receipt_of(web, shop, harmless)["stored"] == 1
    told = receipt_of(web, shop, deadly)
    assert (told["state"], told["waiting"]) == ("set_aside", 1)
    assert str(SetAsideBatch.objects.get().receipt) == deadly
