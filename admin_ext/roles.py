"""The three roles of staff, as groups: who may do what, until staff decide otherwise.

A role is given each permission once, when a migration has brought it, so that an update's new
permissions reach the roles, and what staff took away or added stays as they left it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from admin_ext.models import GivenPermission

ANALYST, OPERATOR, ADMINISTRATOR = "Analyst", "Operator", "Administrator"
# Each may what those before it may.
ROLES = (ANALYST, OPERATOR, ADMINISTRATOR)


@dataclass(frozen=True)
class Needs:
    """The first role that may see a model's rows, that may change them, and so on."""

    view: str | None
    add: str | None = ADMINISTRATOR
    change: str | None = ADMINISTRATOR
    delete: str | None = ADMINISTRATOR
    # The model's own permissions.
    more: dict[str, str] = field(default_factory=dict)


DECIDED = {
    "tracking.session": Needs(ANALYST),
    "tracking.event": Needs(ANALYST),
    "tracking.eventerror": Needs(ANALYST, more={"reprocess_eventerror": OPERATOR}),
    # It has no permissions of Django's; who sees the errors sees their groups.
    "tracking.errorgroup": Needs(None, None, None, None, more={"mute_errorgroup": OPERATOR}),
    "tracking.eventtype": Needs(ANALYST),
    "tracking.application": Needs(ANALYST),
    "tracking.receipt": Needs(ANALYST),
    "tracking.batch": Needs(ANALYST),
    "tracking.setasidebatch": Needs(ANALYST, change=OPERATOR),  # to replay it
    "tracking.apikey": Needs(ADMINISTRATOR),
    "tracking.auditentry": Needs(ADMINISTRATOR),
    "reports.sessionreport": Needs(
        ANALYST, more={"recompute_sessionreport": OPERATOR, "rebuild_sessionreport": OPERATOR}
    ),
    "reports.rebuild": Needs(ANALYST),
    "django_celery_results.taskresult": Needs(ANALYST),
    "django_celery_results.groupresult": Needs(ANALYST),
    "django_celery_beat.periodictask": Needs(OPERATOR, change=OPERATOR),  # to run and to time it
    "django_celery_beat.intervalschedule": Needs(OPERATOR),
    "django_celery_beat.crontabschedule": Needs(OPERATOR),
    "django_celery_beat.solarschedule": Needs(OPERATOR),
    "django_celery_beat.clockedschedule": Needs(OPERATOR),
    # Its page is the overview of the tasks, for who may see those.
    "admin_ext.worker": Needs(None, None, None, None, more={"run_task_again": OPERATOR}),
    "auth.user": Needs(ADMINISTRATOR),
    "auth.group": Needs(ADMINISTRATOR),
}
# No page and no route asks for a permission on these: no role has one.
INTERNAL = {
    "admin.logentry",
    "auth.permission",
    "contenttypes.contenttype",
    "django_celery_beat.periodictasks",
    "django_celery_results.chordcounter",
    "reports.heat",
    "reports.heatchange",
    "reports.pointersecond",
    "reports.rollup",
    "reports.rollupchange",
    "reports.sessionheat",
    "reports.sessionminute",
    "reports.sessiontrail",
    "sessions.session",
    "tracking.deletedevent",
    "tracking.erasedsession",
    "tracking.rejectedevent",
    "tracking.schemaversion",
    "tracking.sessionapplication",
    "tracking.tally",
}


def permissions_of(role: str) -> Iterator[str]:
    """As `application.codename`."""
    roles = ROLES[: ROLES.index(role) + 1]
    for label, needs in DECIDED.items():
        application, model = label.split(".")
        rows = {f"{verb}_{model}": getattr(needs, verb) for verb in STOCK}
        for codename, first in {**rows, **needs.more}.items():
            if first in roles:
                yield f"{application}.{codename}"


STOCK = ("view", "add", "change", "delete")


def give(using: str, verbosity: int = 1, **signal: Any) -> None:
    """After a migration, and after a test emptied the tables."""
    if GivenPermission._meta.db_table not in connections[using].introspection.table_names():
        return  # the migration was a part, or a way back
    # Permissions are made after migrations, of one application after the other: these are early.
    for application in sorted({label.split(".")[0] for label in DECIDED}):
        create_permissions(apps.get_app_config(application), verbosity=0, using=using)
    with transaction.atomic(using):
        for role in ROLES:
            _give(role, set(permissions_of(role)))


def _give(role: str, permissions: set[str]) -> None:
    given = set(GivenPermission.objects.filter(role=role).values_list("permission", flat=True))
    group = Group.objects.filter(name=role).first()
    # A group that staff deleted stays away, and one of theirs that has this name stays theirs.
    if not (new := permissions - given) or bool(group) != bool(given):
        return
    named = Concat(F("content_type__app_label"), Value("."), F("codename"))
    found = list(Permission.objects.annotate(named=named).filter(named__in=new))
    group = group or Group.objects.create(name=role)
    group.permissions.add(*found)
    GivenPermission.objects.bulk_create(
        [GivenPermission(role=role, permission=one.named) for one in found]
    )
