"""What a test leaves behind reaches no other, though not every table is emptied anew."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.cast import Sender, event
from tests.emptied import KEPT
from tracking.models import EventType


def contents() -> dict[str, list[Any]]:
    """The rows of all tables, in some order."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})
    with connection.cursor() as cursor:
        found = {}
        for table in set(tables) & {*connection.introspection.table_names()}:
            cursor.execute(f"SELECT one::text FROM {table} one ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def test_what_was_written_goes_and_the_rest_is_as_it_was(
    django_db_setup: Callable[[], None], transactional_db: None
) -> None:
    before = contents()
    assert {table for table, rows in before.items() if rows} == {*KEPT}
    spoil()
    assert contents() != before
    django_db_setup()
    assert contents() == before


def test_what_no_migration_wrote_goes_alone(
    django_db_setup: Callable[[], None], shop: Sender, session: UUID
) -> None:
    shop.send(event(session), event(session, category=""))
    Client().force_login(User.objects.create_superuser("owner"))
    django_db_setup()
    assert {table for table, rows in contents().items() if rows} == {*KEPT}


def test_it_leaves_what_a_flush_leaves(
    django_db_setup: Callable[[], None], transactional_db: None
) -> None:
    """But for the ids."""
    before = {table: len(rows) for table, rows in contents().items()}
    call_command("flush", interactive=False, verbosity=0)
    assert {table: len(rows) for table, rows in contents().items()} == before


def spoil() -> None:
    analysts = Group.objects.get(name="Analyst")
    analysts.permissions.clear()
    Permission.objects.filter(codename="view_session").delete()
    Group.objects.create(name="readers")
    EventType.objects.create(category="shop", name="sold").versions.create(number=1, schema={})
    EventType.objects.exclude(category="shop").first().delete()  # type: ignore[union-attr]
    User.objects.create_user("somebody").groups.add(analysts)
