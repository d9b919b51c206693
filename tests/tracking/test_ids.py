from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from tracking.ids import MICROSECOND, event_id, first_id_at, last_id_at, micros_of, timestamp_of

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)


def id_at(moment: datetime, identity: bytes) -> UUID:
    return UUID(bytes=event_id(micros_of(moment), identity))


def test_an_id_is_a_uuid_of_version_8() -> None:
    id = id_at(MOMENT, b"a click")
    assert (id.version, id.variant) == (8, RFC_4122)


def test_the_same_event_has_the_same_id() -> None:
    assert id_at(MOMENT, b"a click") == id_at(MOMENT, b"a click")


def test_another_event_or_another_time_has_another_id() -> None:
    ids = {
        id_at(MOMENT, b"a click"),
        id_at(MOMENT, b"a key"),
        id_at(MOMENT + timedelta(microseconds=1), b"a click"),
    }
    assert len(ids) == 3


def test_an_id_keeps_its_timestamp_to_the_microsecond() -> None:
    for moment in (MOMENT, datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)):
        assert timestamp_of(id_at(moment, b"x")) == moment


def test_ids_sort_by_time() -> None:
    moments = [MOMENT + timedelta(microseconds=n**5) for n in range(200)]
    ids = [id_at(moment, str(moment).encode()) for moment in moments]
    assert ids == sorted(ids, key=lambda id: id.bytes)


def test_a_time_range_is_an_id_range() -> None:
    id = id_at(MOMENT, b"x")
    assert first_id_at(MOMENT) <= id <= last_id_at(MOMENT) < first_id_at(MOMENT + MICROSECOND)


def test_the_id_of_a_known_event_never_changes() -> None:
    """Or events kept by an earlier version would be stored a second time."""
    assert id_at(MOMENT, b"a click") == UUID("00649add-44b1-8240-922b-66c5abc8ab0f")
