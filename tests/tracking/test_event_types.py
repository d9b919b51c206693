"""Event types: which schema is in force, and what becomes of the events it rejects."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import Error, connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Sender, at, event, move, path
from tracking import built_in_types, digest, event_types
from tracking.models import (
    Application,
    Batch,
    Event,
    EventError,
    EventType,
    RejectedEvent,
    SchemaVersion,
)
from tracking.try_out import try_out

TEXT = {"type": "string"}
FORM = {
    "type": "object",
    "required": ["form"],
    "properties": {
        "form": {
            "type": "object",
            "required": ["first_name"],
            "properties": {"first_name": TEXT, "age": {"type": "integer", "minimum": 18}},
        },
        "host": TEXT,
    },
}


def make(
    schema: dict[str, Any],
    name: str = "order",
    category: str = "shop",
    application: int | None = None,
) -> EventType:
    owner = Application.objects.filter(pk=application or 0).first()
    made, _ = EventType.objects.get_or_create(application=owner, category=category, name=name)
    event_types.add_version(made, schema, None)
    return made


def order(session: UUID, **data: Any) -> dict[str, Any]:
    return event(session, category="shop", name="order", data=data)


def errors() -> list[tuple[str, str]]:
    return list(EventError.objects.order_by("position", "id").values_list("field", "code"))


def test_an_event_that_breaks_its_schema_in_three_places_has_three_errors(
    shop: Sender, session: UUID
) -> None:
    make(FORM)
    receipt = shop.send(order(session, form={"age": 7}, host=5))
    assert (receipt.stored, receipt.rejected) == (0, 1)
    assert sorted(errors()) == [
        ("data.form.age", "too_small"),
        ("data.form.first_name", "missing"),
        ("data.host", "wrong_type"),
    ]


def test_all_that_is_wrong_is_told_together(shop: Sender, session: UUID) -> None:
    make(FORM)
    shop.send(order(session, form=5) | {"timestamp": "soon", "session_id": "x"})
    assert errors() == [
        ("session_id", "not_a_uuid"),
        ("timestamp", "not_a_timestamp"),
        ("data.form", "wrong_type"),
    ]


def test_an_event_that_keeps_to_its_schema_is_stored(shop: Sender, session: UUID) -> None:
    make(FORM)
    assert shop.send(order(session, form={"first_name": "Jane"}, more=1)).stored == 1


def test_an_error_says_of_which_events_it_is(shop: Sender, session: UUID) -> None:
    make(FORM)
    long, wrong = "n" * 300, "a\0b\ud800"
    shop.send(
        order(session, form=1),
        event(session, category=5, name=long),
        event(session, category=wrong, name="x"),
    )
    found = EventError.objects.order_by("position", "id").values_list("category", "name")
    assert list(dict.fromkeys(found)) == [
        ("shop", "order"),
        ("", "n" * 200),
        (r"a\u0000b\ud800", "x"),
    ]


def test_the_value_of_a_wrong_field_is_masked(shop: Sender, session: UUID) -> None:
    make({"properties": {"mail": {"type": "integer"}, "password": {"type": "integer"}}})
    shop.send(order(session, mail="jane@mail.example", password="hunter2"))
    assert set(EventError.objects.values_list("value", flat=True)) == {'"***"'}


class TestInForce:
    def test_an_applications_own_type_goes_before_the_one_for_all(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        make({"required": ["all"]})
        make({"required": ["own"]}, application=shop.application_id)
        assert shop.send(order(session, own=1)).stored == 1
        assert shop.send(order(session, all=1)).rejected == 1
        assert stranger.send(order(session, all=1)).stored == 1

    def test_the_newest_version_counts(self, shop: Sender, session: UUID) -> None:
        made = make({"required": ["a"]})
        assert shop.send(order(session, b=1)).rejected == 1
        event_types.add_version(made, {"required": ["b"]}, None)
        assert shop.send(order(session, b=1)).stored == 1

    def test_a_schema_that_is_the_same_makes_no_version(self, transactional_db: None) -> None:
        made = make({"required": ["a"], "type": "object"})
        assert event_types.add_version(made, {"type": "object", "required": ["a"]}, None) is None
        assert made.versions.count() == 1

    def test_true_is_another_schema_than_one(self, transactional_db: None) -> None:
        made = make({"const": True})
        assert event_types.add_version(made, {"const": 1}, None)

    def test_a_version_says_who_made_it(self, transactional_db: None) -> None:
        made = make({})
        user = User.objects.create_user("owner")
        version = event_types.add_version(made, FORM, user)
        assert version is not None
        assert (version.number, version.created_by) == (2, user)

    def test_the_types_are_asked_for_once_in_a_while(self, transactional_db: None) -> None:
        make(FORM)
        event_types.current()
        with CaptureQueriesContext(connection) as queries:
            event_types.current()
        assert len(queries) == 0

    def test_a_known_version_is_not_read_again(
        self, transactional_db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_types, "MEMORY_SECONDS", 0.0)
        first = event_types.current()
        with CaptureQueriesContext(connection) as queries:
            again = event_types.current()
        assert len(queries) == 2
        assert "schema" not in queries[0]["sql"].split("FROM")[0].replace("schemaversion", "")
        assert all(again.versions[key] is version for key, version in first.versions.items())

    def test_a_deleted_type_checks_nothing_more(self, shop: Sender, session: UUID) -> None:
        make(FORM).delete()
        event_types.forget()
        assert shop.send(order(session, form=5)).stored == 1

    def test_a_stored_schema_that_cannot_be_used_harms_no_event(
        self, shop: Sender, session: UUID, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = make({})
        SchemaVersion.objects.filter(event_type=made).update(schema={"$ref": "#"})
        SchemaVersion.objects.create(event_type=made, number=2, schema={"pattern": "("})
        event_types.forget()
        assert shop.send(order(session, a=1)).stored == 1
        assert "shop/order cannot be used" in caplog.text

    def test_a_database_that_is_away_charges_no_batch(self, shop: Sender, session: UUID) -> None:
        shop.post(event(session))
        event_types.forget()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tracking_schemaversion RENAME TO away")
        try:
            with pytest.raises(Error):
                digest.digest_until_empty()
            assert Batch.objects.get().attempts == 0
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE away RENAME TO tracking_schemaversion")


class TestStrict:
    def test_an_unknown_type_is_stored(self, shop: Sender, session: UUID) -> None:
        assert shop.send(event(session, category="unheard", name="of")).stored == 1

    def test_a_strict_application_rejects_it(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        Application.objects.filter(pk=shop.application_id).update(strict=True)
        event_types.forget()
        unknown = event(session, category="unheard", name="of")
        assert shop.send(unknown, event(session)).rejected == 1
        assert errors() == [("name", "unknown_type")]
        assert "have staff add the event type" in EventError.objects.get().message
        assert stranger.send(unknown).stored == 1

    def test_a_missing_name_is_not_an_unknown_one(self, shop: Sender, session: UUID) -> None:
        Application.objects.filter(pk=shop.application_id).update(strict=True)
        event_types.forget()
        shop.send(event(session, name=None))
        assert errors() == [("name", "missing")]


class TestBuiltIn:
    def test_they_are_there_and_made_once(self, transactional_db: None) -> None:
        built_in_types.make_built_in("default")
        found = EventType.objects.filter(built_in=True, application=None)
        assert set(found.values_list("category", "name")) == set(built_in_types.SCHEMAS)
        assert SchemaVersion.objects.count() == len(built_in_types.SCHEMAS)

    def test_making_them_costs_one_statement(self, transactional_db: None) -> None:
        with CaptureQueriesContext(connection) as queries:
            built_in_types.make_built_in("default")
        assert len(queries) == 1

    def test_what_staff_made_of_one_stays(self, transactional_db: None) -> None:
        submit = EventType.objects.get(category="form interaction", name="submit")
        event_types.add_version(submit, FORM, None)
        built_in_types.make_built_in("default")
        assert submit.versions.count() == 2

    @pytest.mark.parametrize(
        ("category", "name", "data"),
        [
            ("page interaction", "pageview", {"anything": 1}),
            ("page interaction", "pageview", {"path": "/", "host": "x", "referrer": None}),
            ("page interaction", "cta click", {"element": "chat bubble", "more": [1]}),
            ("form interaction", "submit", {"form": {"first_name": 5}}),
            ("form interaction", "submit", {"host": "x"}),
            ("pointer", "scroll", {"x": "left"}),
        ],
    )
    def test_they_let_pass_what_was_stored_before(
        self, shop: Sender, session: UUID, category: str, name: str, data: dict[str, Any]
    ) -> None:
        sent = event(session, category=category, name=name, data=data)
        assert shop.send(sent).stored == 1

    @pytest.mark.parametrize(
        ("category", "name", "data", "expected"),
        [
            ("page interaction", "pageview", {"path": 5}, ("data.path", "wrong_type")),
            ("page interaction", "cta click", {"element": []}, ("data.element", "wrong_type")),
            ("form interaction", "submit", {"form": "x"}, ("data.form", "wrong_type")),
            ("pointer", "move", {"x": 1}, ("data.y", "missing")),
            ("pointer", "click", {"x": 1, "y": 1e9}, ("data.y", "not_a_coordinate")),
            ("pointer", "path", {"t": [0], "x": [0], "y": [0, 1]}, ("data.y", "lengths_differ")),
        ],
    )
    def test_they_reject_the_wrong_kind(
        self,
        shop: Sender,
        session: UUID,
        category: str,
        name: str,
        data: dict[str, Any],
        expected: tuple[str, str],
    ) -> None:
        shop.send(event(session, category=category, name=name, data=data))
        assert errors() == [expected]

    def test_the_pointers_own_are_not_checked_twice(self, transactional_db: None) -> None:
        versions = event_types.current().versions
        for name in ("move", "path", "click"):
            assert versions[None, "pointer", name].schema is None
        assert versions[None, "form interaction", "submit"].schema is not None

    def test_what_staff_ask_of_the_pointer_more_is_checked_too(
        self, shop: Sender, session: UUID
    ) -> None:
        make({"required": ["x", "button"], "properties": {"x": TEXT}}, "click", "pointer")
        shop.send(event(session, category="pointer", name="click", data={"x": None, "y": 1}))
        assert errors() == [("data.x", "not_a_coordinate"), ("data.button", "missing")]

    def test_pointer_events_go_through(self, shop: Sender, session: UUID) -> None:
        sent = (move(session, 0, 1, 2), path(session, 1, [0, 16], [1, 2], [3, 4]))
        assert shop.send(*sent).stored == 2

    def test_a_path_is_checked_without_its_timestamp(self, shop: Sender, session: UUID) -> None:
        sent = path(session, 0, [0, 16], [1, 2], [3, None])  # type: ignore[list-item]
        shop.send(sent | {"timestamp": "soon"})
        assert errors() == [("timestamp", "not_a_timestamp"), ("data.y[1]", "not_a_coordinate")]


class TestTryOut:
    def test_it_says_what_would_be_rejected_and_why(self, shop: Sender, session: UUID) -> None:
        good = [order(session, form={"first_name": f"Jane {n}"}) for n in range(7)]
        bad = [order(session, form={"age": age}) for age in (3, 4)]
        shop.send(*good, *bad, order(session, form="jane@mail.example"), event(session))
        result = try_out(FORM, None, "shop", "order")
        assert (result.events, result.rejected) == (10, 3)
        found = {(g.field, g.code): g.events for g in result.groups}
        assert found == {
            ("data.form.first_name", "missing"): 2,
            ("data.form.age", "too_small"): 2,
            ("data.form", "wrong_type"): 1,
        }
        (masked,) = (group for group in result.groups if group.code == "wrong_type")
        assert (masked.value, masked.message) == ('"***"', "This must be an object.")
        assert Event.objects.get(pk=masked.event_id).data == {"form": "jane@mail.example"}

    def test_it_saves_nothing(self, shop: Sender, session: UUID) -> None:
        shop.send(order(session, form=5))
        before = SchemaVersion.objects.count()
        try_out(FORM, None, "shop", "order")
        assert SchemaVersion.objects.count() == before
        assert shop.send(order(session, form=6)).stored == 1

    def test_it_looks_at_the_newest(self, shop: Sender, session: UUID) -> None:
        for second, form in ((1, 5), (2, {"first_name": "Jane"}), (3, {"first_name": "Joe"})):
            shop.send(order(session, form=form) | {"timestamp": at(second)})
        assert try_out(FORM, None, "shop", "order", 2).rejected == 0
        assert try_out(FORM, None, "shop", "order", 3).rejected == 1

    def test_it_leaves_out_who_has_a_type_of_their_own(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(order(session, form=5))
        stranger.send(order(session, form=5), order(uuid4(), form=5))
        assert try_out(FORM, None, "shop", "order").events == 3
        make({}, application=stranger.application_id)
        assert try_out(FORM, None, "shop", "order").events == 1
        assert try_out(FORM, stranger.application_id, "shop", "order").events == 2

    def test_it_says_how_many_rejected_events_it_would_mend(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        make({"required": ["nothing sends this"]})
        shop.send(order(session, form=5), order(session, form={"first_name": "Jane"}))
        shop.send(order(session, form=5) | {"timestamp": "soon"}, event(session, data={}))
        stranger.send(order(session, form=7))
        result = try_out(
            {"properties": {"form": {"type": ["integer", "object"]}}}, None, "shop", "order"
        )
        assert (result.waiting, result.mended) == (4, 3)
        own = try_out({}, shop.application_id, "shop", "order")
        assert (own.waiting, own.mended) == (3, 2)

    def test_what_is_mended_waits_no_more(self, shop: Sender, session: UUID) -> None:
        make({"required": ["nothing sends this"]})
        shop.send(order(session, form=5))
        RejectedEvent.objects.update(resolved_at=at(0))
        assert try_out({}, None, "shop", "order").waiting == 0

    def test_it_reads_no_whole_table(self, shop: Sender, session: UUID) -> None:
        shop.send(order(session, form=5))
        with CaptureQueriesContext(connection) as queries:
            try_out(FORM, None, "shop", "order")
        newest = next(q["sql"] for q in queries if "LATERAL" in q["sql"])
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute("EXPLAIN " + newest)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            cursor.execute("RESET enable_seqscan")
        assert "Index" in plan
        assert "Seq Scan" not in plan


def test_keys_of_digits_sink_no_batch(shop: Sender, session: UUID) -> None:
    make({"additionalProperties": {"required": ["sku"], "additionalProperties": False}})
    wrong = event(session, category="shop", name="order", data={"0": {"x": 1}})
    receipt = shop.send(event(session), wrong)
    assert (receipt.stored, receipt.rejected) == (1, 1)
    assert set(EventError.objects.values_list("field", "code")) == {
        ("data.0.sku", "missing"),
        ("data.0.x", "unknown_property"),
    }


def test_a_dear_schema_is_tried_on_fewer(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(*(order(session, form=n) for n in range(9)))
    monkeypatch.setattr("tracking.try_out.LONGEST_SECONDS", 0.0)
    assert try_out(FORM, None, "shop", "order").events == 0
