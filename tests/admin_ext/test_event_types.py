"""Event types in the admin: written, tried, versioned."""

import json
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from admin_ext.schema_form import written
from tests.admin_ext.cast import HOSTILE, staff
from tests.cast import Sender, elsewhere, event, somebody_waits
from tests.waiting import until
from tracking import event_types
from tracking.models import Application, EventType, SchemaVersion

LIST = reverse("admin:tracking_eventtype_changelist")
ADD = reverse("admin:tracking_eventtype_add")
TRY = reverse("admin:tracking_eventtype_try")
FORM = {"type": "object", "required": ["form"], "properties": {"form": {"type": "object"}}}
WRITTEN = json.dumps(FORM)


def submit() -> EventType:
    return EventType.objects.get(category="form interaction", name="submit")


def page(event_type: EventType, name: str = "change", *args: object) -> str:
    return reverse(f"admin:tracking_eventtype_{name}", args=[event_type.pk, *args])


def add(client: Client, **fields: Any) -> Any:
    sent = {"application": "", "category": "shop", "name": "order", "schema": WRITTEN}
    return client.post(ADD, sent | fields)


def made() -> EventType:
    return EventType.objects.get(category="shop", name="order")


def change(client: Client, event_type: EventType, **fields: Any) -> Any:
    """As its page does, which was opened just now."""
    seen = event_type.versions.latest("number").number
    return client.post(page(event_type), {"version": seen} | fields, follow=True)


class TestWriting:
    def test_a_type_is_made_with_its_first_version(self, owner: Client) -> None:
        assert add(owner).status_code == 302
        (version,) = made().versions.all()
        assert (version.number, version.schema) == (1, FORM)
        assert version.created_by == User.objects.get(username="owner")

    def test_a_type_may_be_one_applications(self, owner: Client, shop: Sender) -> None:
        add(owner)
        add(owner, application=shop.application_id)
        owners = EventType.objects.filter(category="shop").values_list("application", flat=True)
        assert set(owners) == {None, shop.application_id}

    @pytest.mark.parametrize("digits", ["1" * 5_000, "-" + "9" * 20_000], ids=len)
    def test_a_number_of_very_many_digits_is_refused(self, owner: Client, digits: str) -> None:
        response = add(owner, schema=f'{{"minimum": {digits}}}')
        assert response.status_code == 200
        assert b"A number in this has too many digits." in response.content

    def test_very_many_keys_are_refused_in_time(self, owner: Client) -> None:
        start = perf_counter()
        response = add(owner, schema=json.dumps(dict.fromkeys(map(str, range(50_000)), 0)))
        assert b"Shorten it." in response.content
        assert perf_counter() - start < 5

    def test_there_is_one_type_of_a_name(self, owner: Client) -> None:
        add(owner)
        response = add(owner)
        assert b"There is such an event type already." in response.content
        assert EventType.objects.filter(category="shop").count() == 1

    def test_a_changed_schema_makes_a_version_that_is_in_force(
        self, owner: Client, shop: Sender
    ) -> None:
        add(owner)
        change(owner, made(), schema='{"required": ["b"]}')
        assert list(made().versions.values_list("number", flat=True)) == [2, 1]
        sent = event("6f9619ff-8b86-4011-b42d-00c04fc964ff", category="shop", name="order")
        assert shop.send(sent).rejected == 1

    def test_a_schema_written_otherwise_makes_none(self, owner: Client) -> None:
        add(owner)
        same = json.dumps(dict(reversed(FORM.items())), indent=7)
        response = change(owner, made(), schema=same)
        assert made().versions.count() == 1
        assert "there is no new version" in response.content.decode()

    def test_of_two_who_edit_a_version_the_second_is_told(self, owner: Client) -> None:
        add(owner)
        opened = owner.get(page(made())).content.decode()
        assert '<input type="hidden" name="version" value="1" id="id_version">' in opened
        first = {"version": "1", "schema": '{"required": ["a"]}'}
        assert owner.post(page(made()), first).status_code == 302
        second = owner.post(page(made()), {"version": "1", "schema": '{"title": "mine"}'})
        assert "Version 2 was saved meanwhile." in second.content.decode()
        assert "&quot;mine&quot;" in second.content.decode()
        unseen = owner.post(page(made()), {"schema": '{"title": "mine"}'})
        assert "Version 2 was saved meanwhile." in unseen.content.decode()
        assert made().versions.count() == 2

    def test_of_two_who_save_a_version_at_once_the_second_is_told(self, owner: Client) -> None:
        add(owner)
        edited = {"version": "1", "schema": '{"title": "mine"}'}
        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                event_types.add_version(made(), {"required": ["a"]}, None)
                saving = threads.submit(elsewhere, owner.post, page(made()), edited)
                until(somebody_waits)
            assert "Version 2 was saved meanwhile." in saving.result().content.decode()
        assert made().versions.count() == 2

    def test_a_type_keeps_its_name(self, owner: Client) -> None:
        add(owner)
        change(owner, made(), category="other", name="x", schema=WRITTEN)
        assert str(made()) == "shop / order"

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "This field is required."),
            ('{"type": "object",}', "This is no JSON from line 1, column 1"),
            ('{"not":' * 5_000 + "{}" + "}" * 5_000, "A schema may nest 32 deep."),
            ('{"not":' * 100_000, "This is nested too deep."),
            ("[1]", "A schema is a JSON object"),
            ('{"type": "strin"}', "type: type is array, boolean"),
            ('{"items": {"$ref": "http://x.example"}}', "items.$ref: A reference leads to"),
            ('{"a": 1, "a": 2}', "The key a stands twice in one object."),
            ('{"minimum": NaN}', "NaN is no number in JSON."),
            ('{"minimum": 1e999}', "1e999 is no number in JSON."),
            ('{"pattern": "(?=x)"}', "pattern: This pattern cannot be used"),
        ],
    )
    def test_what_is_wrong_is_said_at_the_field(
        self, owner: Client, text: str, complaint: str
    ) -> None:
        response = add(owner, schema=text)
        assert response.status_code == 200
        assert complaint in " ".join(response.context["adminform"].form.errors["schema"])
        assert not EventType.objects.filter(category="shop").exists()

    def test_what_was_written_is_shown_again_as_text(self, owner: Client) -> None:
        for hostile in HOSTILE:
            response = add(owner, schema=f'{{"type": {json.dumps(hostile)}}}')
            assert "<script>alert" not in response.content.decode()
            assert response.context["adminform"].form.errors["schema"]

    def test_a_schema_is_shown_as_people_write_it(self, owner: Client) -> None:
        schema = {"properties": {"form": {"type": ["object", "null"]}}, "type": "object"}
        lines = [
            "{",
            '  "type": "object",',
            '  "properties": {"form": {"type": ["object", "null"]}}',
            "}",
        ]
        assert written(schema).splitlines() == lines
        assert json.loads(written(FORM)) == FORM
        add(owner, schema=json.dumps(schema))
        shown = owner.get(page(made())).context["adminform"].form["schema"].value()
        assert shown.splitlines() == lines


class TestVersions:
    def test_they_are_listed_with_who_and_when(self, owner: Client) -> None:
        change(owner, submit(), schema=WRITTEN)
        text = owner.get(page(submit())).content.decode()
        assert "Version 2" in text
        assert "<bdi>owner</bdi>" in text
        assert "<bdi>the service</bdi>" in text

    def test_an_earlier_one_is_taken_up_again_as_a_new_one(self, owner: Client) -> None:
        first = submit().versions.get().schema
        change(owner, submit(), schema=WRITTEN)
        response = owner.post(page(submit(), "again", 1))
        assert response["Location"] == page(submit())
        newest = submit().versions.first()
        assert newest is not None
        assert (newest.number, newest.schema) == (3, first)
        assert newest.created_by == User.objects.get(username="owner")
        assert (
            "Version 3 has the schema of version 1" in LogEntry.objects.latest("pk").change_message
        )

    def test_the_one_in_force_is_not_taken_up_again(self, owner: Client) -> None:
        owner.post(page(submit(), "again", 1))
        assert submit().versions.count() == 1

    def test_one_that_would_no_longer_be_saved_is_not_taken_up(self, owner: Client) -> None:
        SchemaVersion.objects.create(event_type=submit(), number=2, schema={"$id": "x"})
        SchemaVersion.objects.create(event_type=submit(), number=3, schema=FORM)
        response = owner.post(page(submit(), "again", 2), follow=True)
        assert "Version 2 cannot be taken up" in response.content.decode()
        assert submit().versions.count() == 3

    def test_there_is_none_of_that_number(self, owner: Client) -> None:
        assert owner.post(page(submit(), "again", 9)).status_code == 404


class TestTrying:
    def ask(self, client: Client, **fields: Any) -> str:
        sent = {"category": "form interaction", "name": "submit", "schema": WRITTEN}
        response = client.post(TRY, sent | fields)
        assert response.status_code == 200
        return str(response.content.decode())

    def send(self, shop: Sender, *forms: Any) -> None:
        session = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
        named = {"category": "form interaction", "name": "submit"}
        shop.send(*(event(session, **named, data=data) for data in forms))

    def test_it_says_how_many_it_would_reject_and_why(self, owner: Client, shop: Sender) -> None:
        self.send(shop, {"form": {}}, {"host": "a"}, {"host": "b"})
        text = self.ask(owner)
        assert "It would reject 2 of the last 3 events." in text
        assert "data.form" in text
        assert "missing" in text
        assert submit().versions.count() == 1

    def test_it_is_told_when_all_fit(self, owner: Client, shop: Sender) -> None:
        self.send(shop, {"form": {}}, {"form": {"a": 1}})
        assert "It would accept all of the last 2 events." in self.ask(owner)

    def test_it_is_told_when_there_are_none(self, owner: Client) -> None:
        assert "No event of this type is stored yet" in self.ask(owner)

    def test_it_counts_the_rejected_ones_it_would_mend(self, owner: Client, shop: Sender) -> None:
        self.send(shop, {"form": 5}, {"form": "x"})
        text = self.ask(owner, schema='{"properties": {"form": {"type": "integer"}}}')
        assert "Of the last 2 rejected events of this type" in text
        assert "it would accept <strong>1</strong>" in text

    def test_a_saved_type_is_tried_by_its_own_name(self, owner: Client, shop: Sender) -> None:
        self.send(shop, {"host": "a"})
        text = self.ask(owner, type=submit().pk, category="", name="")
        assert "It would reject 1 of the last 1 event" in text

    @pytest.mark.parametrize(
        ("fields", "complaint"),
        [
            ({"schema": "{"}, "This is no JSON"),
            ({"schema": '{"type": "<b>"}'}, "type: type is array"),
            ({"category": ""}, "Write the category and the name"),
            ({"application": "999"}, "not one of the available choices"),
        ],
    )
    def test_what_cannot_be_tried_is_said(
        self, owner: Client, fields: dict[str, Any], complaint: str
    ) -> None:
        text = self.ask(owner, **fields)
        assert complaint in text
        assert "<b>" not in text

    def test_hostile_data_is_shown_as_text(self, owner: Client, shop: Sender) -> None:
        self.send(shop, *({"host": text, f"k{n}": 1} for n, text in enumerate(HOSTILE)))
        never = {"properties": {"host": {"type": ["string"], "maxLength": 1}}}
        text = self.ask(owner, schema=json.dumps(never))
        assert "It would reject 5 of the last 5" in text
        assert "<script" not in text
        assert "<img" not in text

    def test_values_are_shown_to_those_who_may_see_events(self, shop: Sender) -> None:
        self.send(shop, {"host": "a secret place", "form": {}})
        never = {"properties": {"host": {"maxLength": 1}}}
        for permissions, seen in (((), False), (("view_event",), True)):
            client = staff(f"editor {seen}", "change_eventtype", *permissions)
            text = self.ask(client, schema=json.dumps(never))
            assert ("a secret place" in text) is seen
            assert "It would reject 1 of the last 1" in text


class TestPermissions:
    def test_who_may_only_see_changes_and_tries_nothing(self, analyst: Client) -> None:
        text = analyst.get(page(submit())).content.decode()
        assert "Version 1" in text
        assert "data-try" not in text
        assert "<textarea" not in text
        refused: tuple[tuple[str, dict[str, str]], ...] = (
            (page(submit()), {"schema": WRITTEN}),
            (page(submit(), "again", 1), {}),
            (page(submit(), "delete"), {"post": "yes"}),
            (ADD, {"schema": WRITTEN}),
            (TRY, {"schema": WRITTEN}),
        )
        for address, sent in refused:
            assert analyst.post(address, sent).status_code == 403, address
        assert submit().versions.count() == 1

    def test_who_may_see_nothing_sees_nothing(self, outsider: Client) -> None:
        for address in (LIST, ADD, page(submit())):
            assert outsider.get(address).status_code == 403, address
        for address in (TRY, page(submit(), "again", 1)):
            assert outsider.post(address).status_code == 403, address

    def test_who_is_not_signed_in_is_sent_to_sign_in(self, client: Client, owner: Client) -> None:
        for address in (TRY, page(submit(), "again", 1)):
            assert client.post(address)["Location"].startswith("/admin/login/")

    def test_what_changes_something_is_no_link(self, owner: Client) -> None:
        for address in (TRY, page(submit(), "again", 1)):
            assert owner.get(address).status_code == 405

    def test_a_foreign_page_changes_nothing(self, owner: Client) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = owner.cookies
        for address in (TRY, page(submit(), "again", 1)):
            assert strict.post(address).status_code == 403

    def test_a_built_in_type_is_not_deleted(self, owner: Client) -> None:
        assert owner.post(page(submit(), "delete"), {"post": "yes"}).status_code == 403
        selection = {
            "action": "delete_selected",
            "_selected_action": [submit().pk],
            "post": "yes",
        }
        assert owner.post(LIST, selection).status_code == 403
        assert submit()

    def test_another_type_is_deleted_and_no_longer_in_force(self, owner: Client) -> None:
        add(owner)
        assert (None, "shop", "order") in event_types.current().versions
        owner.post(page(made(), "delete"), {"post": "yes"})
        assert (None, "shop", "order") not in event_types.current().versions


def test_an_application_is_made_strict_in_the_admin(owner: Client, shop: Sender) -> None:
    address = reverse("admin:tracking_application_change", args=[shop.application_id])
    limits = {"secret_events_per_minute": 5, "publishable_events_per_minute": 6}
    owner.post(address, {"name": "shop", "strict": "on", **limits})
    application = Application.objects.get(pk=shop.application_id)
    assert application.strict
    assert application.secret_events_per_minute == 5
    assert application.publishable_events_per_minute == 6
