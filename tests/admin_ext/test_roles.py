"""The three roles: made with the database, and staff's own from then on."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from admin_ext import roles
from admin_ext.models import GivenPermission
from admin_ext.roles import ADMINISTRATOR, ANALYST, DECIDED, INTERNAL, OPERATOR, permissions_of

pytestmark = pytest.mark.django_db(transaction=True)


def has(role: str) -> set[str]:
    held = Group.objects.get(name=role).permissions.values_list(
        "content_type__app_label", "codename"
    )
    return {f"{application}.{codename}" for application, codename in held}


def migrate() -> None:
    call_command("migrate", verbosity=0)


def test_a_new_database_has_the_three_roles() -> None:
    for role in roles.ROLES:
        assert has(role) == set(permissions_of(role)), role


def test_each_role_may_what_the_one_before_it_may() -> None:
    assert has(ANALYST) < has(OPERATOR) < has(ADMINISTRATOR)


def test_an_analyst_only_sees() -> None:
    assert {name.split(".")[1].split("_")[0] for name in has(ANALYST)} == {"view"}
    assert not has(ANALYST) & {"tracking.view_apikey", "auth.view_user", "tracking.view_auditentry"}


def test_an_operator_runs_what_the_service_does_and_changes_no_data() -> None:
    assert has(OPERATOR) - has(ANALYST) == {
        "admin_ext.run_task_again",
        "reports.recompute_sessionreport",
        "reports.rebuild_sessionreport",
        "tracking.mute_errorgroup",
        "tracking.reprocess_eventerror",
        "tracking.change_setasidebatch",
        "django_celery_beat.change_periodictask",
        "django_celery_beat.view_periodictask",
        "django_celery_beat.view_intervalschedule",
        "django_celery_beat.view_crontabschedule",
        "django_celery_beat.view_solarschedule",
        "django_celery_beat.view_clockedschedule",
    }


def test_for_every_permission_a_role_is_decided() -> None:
    models = {model._meta.label_lower: model for model in apps.get_models()}
    own = {
        label
        for label, model in models.items()
        if model._meta.default_permissions or model._meta.permissions
    }
    assert own == set(DECIDED) | INTERNAL, "decide in admin_ext/roles.py who may do what with it"
    assert not set(DECIDED) & INTERNAL
    more = {
        label: {codename for codename, _ in model._meta.permissions}
        for label, model in models.items()
        if model._meta.permissions
    }
    assert more == {label: set(needs.more) for label, needs in DECIDED.items() if needs.more}


def test_what_staff_made_of_a_role_stays() -> None:
    taken = Permission.objects.get(codename="view_receipt")
    added = Permission.objects.get(codename="delete_session", content_type__app_label="tracking")
    analyst = Group.objects.get(name=ANALYST)
    analyst.permissions.remove(taken)
    analyst.permissions.add(added)
    Group.objects.get(name=OPERATOR).delete()
    migrate()
    assert taken not in analyst.permissions.all()
    assert added in analyst.permissions.all()
    assert not Group.objects.filter(name=OPERATOR).exists()


def test_a_permission_that_an_update_brings_reaches_the_roles_once() -> None:
    """As if recomputing had come with the update."""
    new = "reports.recompute_sessionreport"
    GivenPermission.objects.filter(permission=new).delete()
    operator = Group.objects.get(name=OPERATOR)
    operator.permissions.remove(Permission.objects.get(codename="recompute_sessionreport"))
    migrate()
    assert new in has(OPERATOR)
    assert new not in has(ANALYST)


def test_a_group_that_happens_to_have_the_name_of_a_role_is_left_alone() -> None:
    """As on a database of before there were roles."""
    GivenPermission.objects.all().delete()
    Group.objects.exclude(name=ANALYST).delete()
    Group.objects.get(name=ANALYST).permissions.clear()
    for _ in range(2):
        migrate()
        assert has(ANALYST) == set()
        assert has(OPERATOR) == set(permissions_of(OPERATOR))


def test_the_roles_are_made_anew_on_an_empty_database() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert has(ADMINISTRATOR) == set(permissions_of(ADMINISTRATOR))


def test_a_migration_of_a_part_or_a_way_back_does_no_harm() -> None:
    call_command("migrate", "admin_ext", "zero", verbosity=0)
    call_command("migrate", "admin_ext", verbosity=0)
    assert set(Group.objects.values_list("name", flat=True)) == set(roles.ROLES)


def test_a_member_of_a_role_may_what_it_may() -> None:
    user = User.objects.create_user("new", is_staff=True)
    user.groups.add(Group.objects.get(name=OPERATOR))
    assert user.get_all_permissions() == set(permissions_of(OPERATOR))
