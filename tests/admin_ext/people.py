"""Everybody who may come to the admin: one of each role."""

import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from admin_ext.roles import ROLES
from tests.admin_ext.cast import Scene, signed_in
from tracking.models import EventType

# Who comes, each with more permissions than the one before.
ANONYMOUS, STAFF, ANALYST, OPERATOR, ADMINISTRATOR, SUPERUSER, NOBODY = (
    "anonymous",
    "staff",
    "analyst",
    "operator",
    "administrator",
    "superuser",
    "nobody",
)
WHO = (ANONYMOUS, STAFF, ANALYST, OPERATOR, ADMINISTRATOR, SUPERUSER)


def everybody() -> dict[str, Client]:
    clients = {ANONYMOUS: Client(), STAFF: signed_in(make_user(STAFF))}
    for role in ROLES:
        user = make_user(role.lower())
        user.groups.add(Group.objects.get(name=role))
        clients[role.lower()] = signed_in(user)
    boss = User.objects.create_superuser(SUPERUSER)
    return {**clients, SUPERUSER: signed_in(boss)}


def make_user(name: str) -> User:
    return User.objects.create_user(name, is_staff=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of refusals would be written to the log, each with its way through the code."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def clients(everything: Scene) -> dict[str, Client]:
    made = everybody()
    User.objects.create_user("victim")
    EventType.objects.create(category="shop", name="sold").versions.create(number=1, schema={})
    for client in made.values():
        client.raise_request_exception = False
    return made
