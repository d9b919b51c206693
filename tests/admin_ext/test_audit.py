"""The audit list: what staff did in the admin, whatever becomes of them and of what they did it to."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from tests.admin_ext.cast import Scene
from tests.cast import Sender
from tracking.models import ApiKey, Application, AuditEntry, EventType, SetAsideBatch

pytestmark = pytest.mark.django_db(transaction=True)

ADDED, CHANGED, REMOVED = "record.added", "record.changed", "record.deleted"


def noted() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "actor", "target"))


def post(client: Client, page: str, *args: Any, **data: Any) -> AuditEntry:
    """The newest entry, after this was posted."""
    response = client.post(reverse(f"admin:{page}", args=args), data)
    assert response.status_code in {200, 302}, response.content
    newest = AuditEntry.objects.first()
    assert newest is not None, response.content.decode()
    return newest


def test_keys_are_noted_when_they_are_made_rotated_and_revoked(owner: Client, shop: Sender) -> None:
    fields = {"application": shop.application_id, "kind": "secret"}
    entry = post(owner, "tracking_apikey_add", **fields)
    key = ApiKey.objects.latest("pk")
    assert (entry.action, entry.details["id"]) == (ADDED, str(key.pk))
    post(owner, "tracking_apikey_rotate", key.pk, keep="0")
    said = AuditEntry.objects.filter(action=CHANGED).get().details["said"]
    assert said.startswith("Rotated; the new key is")
    newest = ApiKey.objects.latest("pk")
    entry = post(owner, "tracking_apikey_revoke_one", newest.pk, _form_submitted="1")
    assert (entry.action, entry.details["said"]) == (CHANGED, "Revoked.")
    assert "eye_sk_" in entry.target
    assert shop.key not in str(list(AuditEntry.objects.values()))


def test_a_schema_is_noted_when_it_is_made_and_changed(owner: Client, db: None) -> None:
    fields = {"category": "shop", "name": "sold", "schema": '{"type": "object"}'}
    assert post(owner, "tracking_eventtype_add", **fields).action == ADDED
    made = EventType.objects.get(category="shop")
    entry = post(
        owner, "tracking_eventtype_change", made.pk, version="1", schema='{"required": ["a"]}'
    )
    assert (entry.action, entry.details["said"]) == (CHANGED, "Changed schema.")
    assert post(owner, "tracking_eventtype_delete", made.pk, post="yes").action == REMOVED


def test_an_application_is_noted_when_it_is_changed(owner: Client, shop: Sender) -> None:
    fields = {"name": "shop", "secret_events_per_minute": 5, "publishable_events_per_minute": 6}
    entry = post(owner, "tracking_application_change", shop.application_id, **fields)
    assert entry.target == "application shop"
    assert "events a minute" in entry.details["said"].lower()


def test_users_are_noted_with_the_roles_they_have_then(owner: Client) -> None:
    user = User.objects.create_user("nina", is_staff=True)
    analyst = Group.objects.get(name="Analyst")
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
    fields = {"username": "nina", "is_active": "on", "groups": [analyst.pk], **joined}
    entry = post(owner, "auth_user_change", user.pk, **fields)
    assert (entry.actor, entry.target, entry.user) == (
        "owner",
        "user nina",
        User.objects.get(username="owner"),
    )
    assert entry.details["groups"] == ["Analyst"]
    assert entry.details["superuser"] is False
    passwords = {"password1": "nina looks on", "password2": "nina looks on", "usable_password": ""}
    entry = post(owner, "auth_user_password_change", user.pk, **passwords, set_password="1")
    assert entry.details["said"] == "Changed password."
    assert "nina looks on" not in str(list(AuditEntry.objects.values()))


def test_a_group_is_noted_when_its_permissions_change(owner: Client) -> None:
    analyst = Group.objects.get(name="Analyst")
    one = Permission.objects.filter(codename="view_session").first()
    assert one is not None
    entry = post(owner, "auth_group_change", analyst.pk, name="Analyst", permissions=[one.pk])
    assert (entry.action, entry.target) == (CHANGED, "group Analyst")
    assert entry.details["permissions"] == 1


def test_deleting_many_at_once_is_noted_for_each(owner: Client) -> None:
    ids = [Group.objects.create(name=name).pk for name in ("one", "two")]
    data = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    owner.post(reverse("admin:auth_group_changelist"), data)
    assert sorted(noted()) == [
        (REMOVED, "owner", "group one"),
        (REMOVED, "owner", "group two"),
    ]


def test_each_batch_that_is_replayed_is_noted_with_its_events(owner: Client, scene: Scene) -> None:
    kept = SetAsideBatch.objects.get(pk=scene.set_aside)
    data = {"action": "replay_selected", "_selected_action": [kept.pk], "confirmed": "1"}
    entry = post(owner, "tracking_setasidebatch_changelist", **data)
    assert (entry.action, entry.actor, entry.target) == (
        "batch.replayed",
        "owner",
        str(kept.receipt),
    )
    assert entry.details == {"events": kept.n_events}
    post(owner, "tracking_setasidebatch_changelist", **data)
    assert AuditEntry.objects.count() == 1  # there is nothing to replay any more


@pytest.mark.usefixtures("empty_queue")
@pytest.mark.parametrize("model", ["tracking_session", "reports_sessionreport"])
def test_each_report_that_is_recomputed_is_noted(owner: Client, scene: Scene, model: str) -> None:
    session = str(scene.session)
    data = {"action": "recompute_selected", "_selected_action": [session], "confirmed": "1"}
    post(owner, f"{model}_changelist", **data)
    post(owner, f"{model}_recompute_one", scene.session, _form_submitted="1")
    assert noted() == [("report.recomputed", "owner", session)] * 2


@pytest.mark.usefixtures("empty_queue")
def test_a_report_that_a_key_has_recomputed_is_noted(shop: Sender, scene: Scene) -> None:
    answer = shop.post(b"", f"/api/sessions/{scene.session}/recompute")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("report.recomputed", str(scene.session))
    assert entry.actor.startswith("shop, key eye_sk_")
    assert entry.details == {"task": answer.json()["task"]}


def test_an_entry_outlives_whom_it_is_about(owner: Client) -> None:
    nina = User.objects.create_superuser("nina")
    client = Client()
    client.force_login(nina)
    post(client, "auth_group_add", name="friends")
    nina.delete()
    assert noted() == [(ADDED, "nina", "group friends")]


def test_nobody_changes_or_deletes_an_entry(owner: Client) -> None:
    entry = post(owner, "auth_group_add", name="friends")
    for page in ("change", "delete"):
        url = reverse(f"admin:tracking_auditentry_{page}", args=[entry.pk])
        assert owner.post(url, {"post": "yes"}).status_code == 403


def test_the_list_is_filtered_by_what_was_done(owner: Client, shop: Sender) -> None:
    post(owner, "auth_group_add", name="friends")
    page = reverse("admin:tracking_auditentry_changelist")
    assert "group friends" in owner.get(page, {"action": ADDED}).content.decode()
    assert "group friends" not in owner.get(page, {"action": REMOVED}).content.decode()
    assert Application.objects.count() == 1
