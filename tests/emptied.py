"""The tables as each test finds them: empty, but for what a migration leaves behind.

Django's `flush` truncates all of them, whatever is in them, and has the content types, permissions,
roles and built-in event types made anew. After each test, that took longer than most tests.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import Any

import pytest
import pytest_django
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

from admin_ext.published import unwritten

# What handlers of `post_migrate` write. It stays, and is put back where a test changed it.
KEPT = [
    "admin_ext_givenpermission",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "tracking_eventtype",
    "tracking_schemaversion",
]
# To truncate a table empties those that refer to it as well: not with these.
REFERRED_TO = """
WITH RECURSIVE bound (id) AS (
    SELECT unnest(%s::regclass[])
    UNION SELECT confrelid FROM pg_constraint JOIN bound ON conrelid = bound.id
    WHERE contype = 'f'
)
SELECT id::regclass::text FROM bound
"""
# One that was truncated, or never written to, has no bytes. Partitions are tables like others.
WRITTEN = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'django_migrations'
AND pg_relation_size(oid) > 0
"""
DIGESTS = " UNION ALL ".join(
    f"SELECT '{table}', md5(string_agg(kept::text, '' ORDER BY kept::text)) FROM {table} kept"
    for table in KEPT
)


@dataclass(frozen=True)
class Kept:
    """The rows that stay, as PostgreSQL copies them out and in."""

    rows: dict[str, str]
    digests: dict[str, str]
    referred_to: set[str]

    @classmethod
    def read(cls, cursor: Any) -> "Kept":
        cursor.execute(REFERRED_TO, [KEPT])
        referred_to = {table for (table,) in cursor.fetchall()}
        return cls({table: copied(cursor, table) for table in KEPT}, digests(cursor), referred_to)

    def put_back(self, cursor: Any) -> None:
        cursor.execute(f"TRUNCATE {', '.join(self.referred_to)} CASCADE")
        for table, rows in self.rows.items():
            cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO(rows))
        ContentType.objects.clear_cache()


def copied(cursor: Any, table: str) -> str:
    rows = StringIO()
    cursor.copy_expert(f"COPY {table} TO STDOUT", rows)
    return rows.getvalue()


def digests(cursor: Any) -> dict[str, str]:
    cursor.execute(DIGESTS)
    return dict(cursor.fetchall())


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[Callable[[], None]]:
    """The test database; what empties its tables."""
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)  # what migrations wrote goes, too
        with connection.cursor() as cursor:
            empty = partial(empty_all_but, Kept.read(cursor))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: empty())
        yield empty


def tables_written(cursor: Any) -> set[str]:
    cursor.execute(WRITTEN)
    return {table for (table,) in cursor.fetchall()}


def empty_all_but(kept: Kept) -> None:
    unwritten.join()
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever is at it still, and has to be waited for, may write to others meanwhile.
        while truncated := tables_written(cursor) - kept.referred_to:
            cursor.execute(f"TRUNCATE {', '.join(sorted(truncated))} CASCADE")
        if digests(cursor) == kept.digests:
            for table in kept.referred_to & tables_written(cursor) - {*KEPT}:
                cursor.execute(f"DELETE FROM {table}")
        else:
            kept.put_back(cursor)
