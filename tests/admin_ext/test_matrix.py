"""Who may open and post what in the admin: every address that the URL resolver knows."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.admin_ext.people import (
    ADMINISTRATOR,
    ANALYST,
    ANONYMOUS,
    NOBODY,
    OPERATOR,
    STAFF,
    SUPERUSER,
    WHO,
    clients,
    quiet,
)
from tests.admin_ext.walk import MODELS, Address, admin_addresses, ask, record

__all__ = ["clients", "quiet"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("everything", "empty_queue"),
]

# Who may see the rows of a model, add to them, change them and delete them; and all those after.
ROWS = {
    "auth_group": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "auth_user": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "django_celery_beat_clockedschedule": (OPERATOR, *[ADMINISTRATOR] * 3),
    "django_celery_beat_crontabschedule": (OPERATOR, *[ADMINISTRATOR] * 3),
    "django_celery_beat_intervalschedule": (OPERATOR, *[ADMINISTRATOR] * 3),
    "django_celery_beat_periodictask": (OPERATOR, ADMINISTRATOR, OPERATOR, ADMINISTRATOR),
    "django_celery_beat_solarschedule": (OPERATOR, *[ADMINISTRATOR] * 3),
    "django_celery_results_groupresult": (ANALYST, NOBODY, NOBODY, NOBODY),
    "django_celery_results_taskresult": (ANALYST, NOBODY, NOBODY, NOBODY),
    "reports_rebuild": (ANALYST, NOBODY, NOBODY, NOBODY),
    "reports_sessionreport": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_apikey": (ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, NOBODY),
    "tracking_application": (ANALYST, ADMINISTRATOR, ADMINISTRATOR, NOBODY),
    "tracking_auditentry": (ADMINISTRATOR, NOBODY, NOBODY, NOBODY),
    "tracking_batch": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_event": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_eventerror": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_eventtype": (ANALYST, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR),
    "tracking_receipt": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_session": (ANALYST, NOBODY, NOBODY, NOBODY),
    "tracking_setasidebatch": (ANALYST, NOBODY, NOBODY, NOBODY),
}

# Who may look at the other pages (GET), and who may post to them; a number is what they are
# answered, where it is not the page.
PAGES = {
    "index": (STAFF, STAFF),
    "login": (ANONYMOUS, ANONYMOUS),
    "logout": (f"{STAFF} 405", STAFF),
    "password_change": (STAFF, STAFF),
    "password_change_done": (STAFF, f"{STAFF} 405"),
    "jsi18n": (STAFF, f"{STAFF} 405"),
    "search": (STAFF, STAFF),
    "autocomplete": (ANALYST, f"{STAFF} 405"),
    "app_list": (ANALYST, ANALYST),
    "view_on_site": (f"{STAFF} 404", f"{STAFF} 404"),
    "(?P<url>.*)$": (f"{STAFF} 404", f"{STAFF} 404"),
    "eye_dashboard_data": (ANALYST, f"{ANALYST} 405"),
    "eye_error_mute": (f"{OPERATOR} 405", OPERATOR),
    "eye_error_reprocess": (f"{OPERATOR} 405", OPERATOR),
    "eye_error_unmute": (f"{OPERATOR} 405", OPERATOR),
    "eye_errors": (ANALYST, f"{ANALYST} 405"),
    "eye_live": (ANALYST, f"{ANALYST} 405"),
    "eye_live_data": (ANALYST, f"{ANALYST} 405"),
    "eye_tasks": (ANALYST, f"{ANALYST} 405"),
    "eye_tasks_overview": (ANALYST, f"{ANALYST} 405"),
    "auth_user_password_change": (ADMINISTRATOR, ADMINISTRATOR),
    "django_celery_beat_periodictask_enable_one": (OPERATOR, OPERATOR),
    "django_celery_beat_periodictask_pause_one": (OPERATOR, OPERATOR),
    "django_celery_beat_periodictask_run_one": (OPERATOR, OPERATOR),
    "django_celery_results_taskresult_run_again_one": (OPERATOR, OPERATOR),
    "reports_rebuild_cancel": (OPERATOR, OPERATOR),
    "reports_rebuild_pause": (OPERATOR, OPERATOR),
    "reports_rebuild_rebuild_all": (OPERATOR, OPERATOR),
    "reports_rebuild_resume": (OPERATOR, OPERATOR),
    "reports_sessionreport_export": (ANALYST, ANALYST),
    "reports_sessionreport_export_all": (ANALYST, ANALYST),
    "reports_sessionreport_forget_view": (f"{STAFF} 405", f"{ANALYST} 404"),
    "reports_sessionreport_rebuild_all": (OPERATOR, OPERATOR),
    "reports_sessionreport_recompute_one": (OPERATOR, OPERATOR),
    "reports_sessionreport_save_view": (f"{STAFF} 405", ANALYST),
    "tracking_apikey_revoke_one": (ADMINISTRATOR, ADMINISTRATOR),
    "tracking_apikey_rotate": (ADMINISTRATOR, ADMINISTRATOR),
    "tracking_event_forget_view": (f"{STAFF} 405", f"{ANALYST} 404"),
    "tracking_event_save_view": (f"{STAFF} 405", ANALYST),
    "tracking_eventerror_forget_view": (f"{STAFF} 405", f"{ANALYST} 404"),
    "tracking_eventerror_reprocess_all": (OPERATOR, OPERATOR),
    "tracking_eventerror_reprocess_one": (OPERATOR, OPERATOR),
    "tracking_eventerror_save_view": (f"{STAFF} 405", ANALYST),
    "tracking_eventtype_again": (f"{STAFF} 405", ADMINISTRATOR),
    "tracking_eventtype_reprocess_type": (OPERATOR, OPERATOR),
    "tracking_eventtype_try": (f"{STAFF} 405", ADMINISTRATOR),
    "tracking_session_erase_one": (ADMINISTRATOR, ADMINISTRATOR),
    "tracking_session_forget_view": (f"{STAFF} 405", f"{ANALYST} 404"),
    "tracking_session_heat": (ANALYST, f"{ANALYST} 405"),
    "tracking_session_recompute_one": (OPERATOR, OPERATOR),
    "tracking_session_save_view": (f"{STAFF} 405", ANALYST),
    "tracking_setasidebatch_replay_one": (OPERATOR, OPERATOR),
}
# The actions in the lists of selected rows, and who is offered them.
ACTIONS = {
    "auth_group": {"delete_selected": ADMINISTRATOR},
    "auth_user": {"delete_selected": ADMINISTRATOR},
    "django_celery_beat_clockedschedule": {"delete_selected": ADMINISTRATOR},
    "django_celery_beat_crontabschedule": {"delete_selected": ADMINISTRATOR},
    "django_celery_beat_intervalschedule": {"delete_selected": ADMINISTRATOR},
    "django_celery_beat_periodictask": {
        "delete_selected": ADMINISTRATOR,
        "enable_tasks": OPERATOR,
        "disable_tasks": OPERATOR,
        "run_tasks": OPERATOR,
    },
    "django_celery_beat_solarschedule": {"delete_selected": ADMINISTRATOR},
    "django_celery_results_taskresult": {"run_again_selected": OPERATOR},
    "reports_sessionreport": {"recompute_selected": OPERATOR, "export_admin_action": ANALYST},
    "tracking_apikey": {"revoke_selected": ADMINISTRATOR},
    "tracking_eventerror": {"reprocess_selected": OPERATOR},
    "tracking_eventtype": {"delete_selected": ADMINISTRATOR},
    "tracking_session": {"recompute_selected": OPERATOR, "erase_selected": ADMINISTRATOR},
    "tracking_setasidebatch": {"replay_selected": OPERATOR},
}
# Who may not see anything of an application is told that there is no such page.
REFUSED = {"app_list": 404}
# Who is not signed in is led to the first page, which asks to sign in.
LED = {"logout"}
# What the forms of dialogs and of deletions send when their button is pressed.
PRESSED = {"post": "yes", "_form_submitted": "1"}


def cells(address: Address) -> tuple[str, str]:
    """What the matrix says of GET and of POST."""
    if address.name in PAGES:
        return PAGES[address.name]
    see, add, change, delete = ROWS[address.model or ""]
    return {
        "changelist": (see, see),
        "history": (see, see),
        "change": (see, change),
        "add": (add, add),
        "delete": (delete, delete),
        "<path:object_id>/": (STAFF, STAFF),  # leads to `change`
    }[address.page]


def expected(address: Address, cell: str, who: str) -> object:
    first, _, answer = cell.partition(" ")
    if first != NOBODY and WHO.index(who) >= WHO.index(first):
        return int(answer) if answer else "ok"
    if who == ANONYMOUS:
        return "ok" if address.name in LED else "sign in"
    return REFUSED.get(address.name, 403)


def outcome(response: Any) -> object:
    if response.status_code == 302:
        return "sign in" if response["Location"].startswith("/admin/login/") else "ok"
    return "ok" if response.status_code == 200 else response.status_code


def test_every_address_is_in_the_matrix() -> None:
    stock = {
        f"{model}_{page}"
        for model in ROWS
        for page in ("changelist", "history", "change", "add", "delete", "<path:object_id>/")
    }
    names = {address.name for address in admin_addresses()}
    assert names - stock == set(PAGES), "say in PAGES who may do what there"
    assert set(ROWS) == set(MODELS)


def test_everybody_is_answered_as_the_matrix_says(clients: dict[str, Client]) -> None:
    wrong = []
    for address in admin_addresses():
        for method, cell in zip(("GET", "POST"), cells(address), strict=True):
            data = PRESSED if method == "POST" else None
            for who, client in clients.items():
                answer = outcome(ask(client, method, address.path, data))
                if answer != (right := expected(address, cell, who)):
                    wrong.append(f"{method} {address.path} by {who}: {answer}, and not {right}")
    assert not wrong, "\n".join(wrong)


def test_no_other_method_is_taken(clients: dict[str, Client]) -> None:
    wrong = []
    for address in admin_addresses():
        for method in ("PUT", "PATCH", "DELETE", "TRACE"):
            answer = ask(clients[SUPERUSER], method, address.path).status_code
            if answer != 405:
                wrong.append(f"{method} {address.path}: {answer}")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_changed_by_looking(clients: dict[str, Client]) -> None:
    written: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        verb = sql.split(maxsplit=1)[0].upper()
        if verb in {"INSERT", "UPDATE", "DELETE", "TRUNCATE"} and '"django_session"' not in sql:
            written.append(f"{address.path}: {sql[:80]}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        for address in admin_addresses():
            if address.page != "export_all":  # is noted in the audit list
                ask(clients[SUPERUSER], "GET", address.path)
    assert written == []


def test_nothing_is_posted_without_the_token_of_a_page(clients: dict[str, Client]) -> None:
    careless = Client(enforce_csrf_checks=True)
    careless.cookies = clients[SUPERUSER].cookies
    for address in admin_addresses():
        posted = cells(address)[1]
        if not posted.endswith(("404", "405")):
            assert ask(careless, "POST", address.path, PRESSED).status_code == 403, address


def test_actions_are_offered_to_who_may_do_them_and_done_for_nobody_else(
    clients: dict[str, Client],
) -> None:
    for model, (see, *_) in ROWS.items():
        url, id = reverse(f"admin:{model}_changelist"), record(model).pk
        actions = ACTIONS.get(model, {})
        for who in WHO[WHO.index(see) :]:
            form = ask(clients[who], "GET", url).context.get("action_form")
            offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
            may = {name for name, first in actions.items() if WHO.index(who) >= WHO.index(first)}
            assert offered == may, (model, who)
            for name in set(actions) - may:
                data = {"action": name, "_selected_action": id, "index": 0}
                done = ask(clients[who], "POST", url, data)
                said = [str(message) for message in get_messages(done.wsgi_request)]
                assert not form or said == ["No action selected."], (model, who, name)
                assert outcome(done) == "ok"
