"""How Unfold dresses the admin. Names it knows: https://unfoldadmin.com/docs/configuration/settings/"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def may(*permissions: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perms(permissions)


def file(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def item(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """A line of the sidebar that leads to a model's list, for those who may view it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": may(f"{app}.view_{model}"),
    }


NAVIGATION = [
    {
        "items": [
            {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
            {
                "title": "Live",
                "icon": "sensors",
                "link": reverse_lazy("admin:eye_live"),
                "permission": may("tracking.view_session", "reports.view_sessionreport"),
            },
        ],
    },
    {
        "title": "Behaviour",
        "separator": True,
        "items": [
            item("Sessions", "visibility", "tracking", "session"),
            item("Session reports", "lab_profile", "reports", "sessionreport"),
            item("Rebuilds of reports", "autorenew", "reports", "rebuild"),
            item("Events", "list_alt", "tracking", "event"),
            item("Errors", "error", "tracking", "eventerror")
            | {"link": reverse_lazy("admin:eye_errors")},
            item("Event errors", "rule", "tracking", "eventerror"),
        ],
    },
    {
        "title": "Intake",
        "separator": True,
        "items": [
            item("Receipts", "receipt_long", "tracking", "receipt"),
            item("Waiting batches", "inbox", "tracking", "batch"),
            item("Set-aside batches", "inventory_2", "tracking", "setasidebatch"),
        ],
    },
    {
        "title": "Senders",
        "separator": True,
        "items": [
            item("Applications", "apps", "tracking", "application"),
            item("API keys", "key", "tracking", "apikey"),
            item("Event types", "schema", "tracking", "eventtype"),
        ],
    },
    {
        "title": "Tasks",
        "separator": True,
        "collapsible": True,
        "items": [
            {
                "title": "Overview",
                "icon": "monitor_heart",
                "link": reverse_lazy("admin:eye_tasks_overview"),
                "permission": may("django_celery_results.view_taskresult"),
            },
            item("Task results", "task_alt", "django_celery_results", "taskresult"),
            item("Group results", "stacks", "django_celery_results", "groupresult"),
            item("Periodic tasks", "event_repeat", "django_celery_beat", "periodictask"),
            item("Intervals", "timer", "django_celery_beat", "intervalschedule"),
            item("Crontabs", "calendar_month", "django_celery_beat", "crontabschedule"),
            item("Solar events", "wb_sunny", "django_celery_beat", "solarschedule"),
            item("Clocked times", "alarm", "django_celery_beat", "clockedschedule"),
        ],
    },
    {
        "title": "People",
        "separator": True,
        "collapsible": True,
        "items": [
            item("Users", "person", "auth", "user"),
            item("Groups", "group", "auth", "group"),
            item("Audit", "history", "tracking", "auditentry"),
        ],
    },
]

# Deep teal on cool ink.
PRIMARY = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(70.4% .14 182.503)",
    "600": "oklch(52% .096 184.704)",
    "700": "oklch(46% .086 186.391)",
    "800": "oklch(39% .073 188.216)",
    "900": "oklch(33% .06 188.416)",
    "950": "oklch(27.7% .046 192.524)",
}

# Grey with a little of it.
BASE = {
    "50": "oklch(98.3% .004 195)",
    "100": "oklch(96.2% .006 195)",
    "200": "oklch(91.8% .009 195)",
    "300": "oklch(86% .012 195)",
    "400": "oklch(70.5% .018 195)",
    "500": "oklch(52% .022 195)",
    "600": "oklch(43% .024 195)",
    "700": "oklch(36% .024 195)",
    "800": "oklch(28% .022 200)",
    "900": "oklch(20.5% .018 205)",
    "950": "oklch(14% .014 205)",
}

ERROR_VIEWS = [
    ("errors/", "eye_errors", "admin_ext.error_page.ErrorsPage"),
    ("errors/<uuid:id>/reprocess/", "eye_error_reprocess", "admin_ext.error_page.ReprocessGroup"),
    ("errors/<uuid:id>/mute/", "eye_error_mute", "admin_ext.error_page.MuteGroup"),
    ("errors/<uuid:id>/unmute/", "eye_error_unmute", "admin_ext.error_page.UnmuteGroup"),
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "The Eye",
    "SITE_HEADER": "The Eye",
    "SITE_SUBHEADER": "Behaviour analytics",
    "SITE_SYMBOL": "visibility",
    "SITE_ICON": file("tracking/icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": file("tracking/icon.svg")},
    ],
    "SITE_VIEWS": [
        ("dashboard.json", "eye_dashboard_data", "admin_ext.dashboard.DashboardData"),
        ("tasks/", "eye_tasks_overview", "admin_ext.tasks_overview.TasksOverview"),
        ("live/", "eye_live", "admin_ext.live.LivePage"),
        ("live.json", "eye_live_data", "admin_ext.live.LiveData"),
        ("queued-tasks/", "eye_tasks", "admin_ext.task_page.TasksPage"),
        *ERROR_VIEWS,
        ("password_change/", "password_change", "admin_ext.sign_in.OwnPassword"),
    ],
    "LOGIN": {"form": "admin_ext.sign_in.SignInForm"},
    "DASHBOARD_CALLBACK": "admin_ext.dashboard.fill",
    "STYLES": [file("admin_ext/eye.css")],
    "SCRIPTS": [file("admin_ext/zone.js")],
    "COLORS": {"base": BASE, "primary": PRIMARY},
    "SIDEBAR": {"show_search": True, "navigation": NAVIGATION},
}
