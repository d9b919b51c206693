"""Bodies that are read at the same time, and what they may take of the memory together."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from tracking.api import incoming
from tracking.api.errors import ApiError
from tracking.api.incoming import Incoming

MiB = 1024 * 1024


class Sender:
    """Sends what it is told to."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.body = Incoming(self.messages.get)
        self.reading = asyncio.ensure_future(self.body.read(5_000))

    def say(self, size: int, last: bool = False) -> None:
        message = {"type": "http.request", "body": bytes(size), "more_body": not last}
        self.messages.put_nowait(message)

    async def outcome(self) -> int | str:
        """The size of the body, or why it was refused."""
        try:
            return len(await self.reading)
        except ApiError as refusal:
            return refusal.code


async def senders() -> tuple[Sender, Sender, Sender]:
    """The first begins first."""
    made = Sender(), Sender(), Sender()
    await asyncio.sleep(0)
    return made


async def heard() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(incoming, "HELD_LIMIT", 1_000)
    yield
    assert not Incoming.reading
    Incoming.held = 0


def test_who_has_been_sending_for_the_longest_gives_way() -> None:
    async def story() -> list[int | str]:
        first, second, third = await senders()
        second.say(400)
        first.say(400)
        await heard()
        third.say(400, last=True)
        await heard()
        second.say(100, last=True)
        return [await each.outcome() for each in (first, second, third)]

    assert asyncio.run(story()) == ["too_slow", 500, 400]


def test_who_gives_way_is_not_taken_for_one_that_sent_little() -> None:
    """Even where its end arrives at that moment."""

    async def story() -> list[int | str]:
        first, second, third = await senders()
        first.say(600)
        await heard()
        third.say(600, last=True)
        first.say(1, last=True)
        second.say(1, last=True)
        return [await each.outcome() for each in (first, second, third)]

    assert asyncio.run(story()) == ["too_slow", 1, 600]


def test_where_nobody_can_give_way_there_is_no_room() -> None:
    async def story() -> tuple[int | str, int | str, int]:
        first, second, third = await senders()
        first.say(900, last=True)
        await first.outcome()
        second.say(1, last=True)
        await second.outcome()
        third.say(200)
        refused = await third.outcome()
        for each in (first, second, third):
            each.body.close()
        again = Sender()
        again.say(900, last=True)
        return refused, await again.outcome(), Incoming.held

    assert asyncio.run(story()) == ("unavailable", 900, 900)


def test_to_no_avail_nobody_gives_way() -> None:
    """Whole bodies, which wait to be kept, have all the memory."""

    async def story() -> list[int | str]:
        first, second, third = await senders()
        first.say(900, last=True)
        await first.outcome()
        second.say(50)
        await heard()
        third.say(200)
        refused = await third.outcome()
        second.say(10, last=True)
        return [refused, await second.outcome()]

    assert asyncio.run(story()) == ["unavailable", 60]


def test_a_whole_body_is_in_the_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "HELD_LIMIT", MiB)

    async def story() -> int:
        parts = iter([(50_000, True), (50_000, False)])

        async def receive() -> dict[str, Any]:
            size, more = next(parts)
            return {"type": "http.request", "body": bytes(size), "more_body": more}

        body = Incoming(receive)
        tracemalloc.start()
        whole = await body.read(MiB)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(whole) == body.size == 100_000
        return held

    assert asyncio.run(story()) < 150_000


@pytest.mark.parametrize("told", [None, 5_001])
def test_one_that_is_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, told: int | None
) -> None:
    monkeypatch.setattr(incoming, "HELD_LIMIT", 10_000)

    async def story() -> str:
        messages = asyncio.Queue[dict[str, Any]]()
        messages.put_nowait({"type": "http.request", "body": bytes(5_001), "more_body": False})
        with pytest.raises(ApiError) as refused:
            await Incoming(messages.get).read(5_000, told)
        return refused.value.code

    assert asyncio.run(story()) == "too_large"


def test_a_body_whose_length_was_told_is_whole_when_that_much_is_there() -> None:
    async def story() -> bytes:
        parts = [b"ab", b"cd"]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": True}

        body = Incoming(receive)
        whole = await body.read(5_000, 4)
        await body.drop()
        body.close()
        return whole

    assert asyncio.run(story()) == b"abcd"


def test_of_an_empty_body_nothing_is_asked() -> None:
    async def story() -> bytes:
        return await Incoming(asyncio.Queue[dict[str, Any]]().get).read(5_000, 0)

    assert asyncio.run(story()) == b""
