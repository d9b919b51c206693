"""Pages of the admin tell times in the zone of the browser; files and the API in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import get_current_timezone_name, override

from admin_ext import display
from reports.models import SessionReport
from tests.admin_ext.cast import Scene
from tests.admin_ext.test_keys import add
from tracking.models import ApiKey, Session

VIENNA = "Europe/Vienna"
SHOWN = "%Y-%m-%d %H:%M:%S"


@pytest.fixture
def viennese(owner: Client) -> Iterator[Client]:
    owner.cookies["eye_zone"] = VIENNA
    yield owner
    assert get_current_timezone_name() == "UTC"


def session_page(client: Client, scene: Scene) -> str:
    return client.get(f"/admin/tracking/session/{scene.session}/change/").content.decode()


@pytest.mark.parametrize(
    ("utc", "shown", "exactly"),
    [
        (
            "2026-01-31 23:30:00.000001",
            "2026-02-01 00:30:00",
            "2026-02-01 00:30:00.000001+01:00 Europe/Vienna\n2026-01-31 23:30:00.000001 UTC",
        ),
        (
            "2026-07-01 10:00:00",
            "2026-07-01 12:00:00",
            "2026-07-01 12:00:00.000000+02:00 Europe/Vienna\n2026-07-01 10:00:00.000000 UTC",
        ),
        # The hour that comes twice.
        (
            "2026-10-25 00:30:00",
            "2026-10-25 02:30:00",
            "2026-10-25 02:30:00.000000+02:00 Europe/Vienna\n2026-10-25 00:30:00.000000 UTC",
        ),
        (
            "2026-10-25 01:30:00",
            "2026-10-25 02:30:00",
            "2026-10-25 02:30:00.000000+01:00 Europe/Vienna\n2026-10-25 01:30:00.000000 UTC",
        ),
    ],
)
def test_a_time_is_shown_in_the_zone_and_on_hover_exactly(
    utc: str, shown: str, exactly: str
) -> None:
    with override(ZoneInfo(VIENNA)):
        text = display.moment(datetime.fromisoformat(utc).replace(tzinfo=UTC))
    assert f">{shown}<" in text
    assert f'title="{exactly}"' in text


def test_in_utc_it_is_told_once() -> None:
    text = display.moment(datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    assert 'title="2026-01-31 23:30:00.000000 UTC"' in text


def test_a_page_is_in_the_zone_of_its_browser(viennese: Client, scene: Scene) -> None:
    first_at = Session.objects.get(pk=scene.session).first_at
    assert first_at is not None
    shown = f"{first_at.astimezone(ZoneInfo(VIENNA)):{SHOWN}}"
    for page in (
        session_page(viennese, scene),
        viennese.get(reverse("admin:tracking_session_changelist")).content.decode(),
    ):
        assert f">{shown}</time>" in page
        assert f'data-zone="{VIENNA}"' in page
        assert "(UTC)" not in page


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe/Atlantis",
        "../../../etc/passwd",
        "/etc/localtime",
        "Europe",
        "europe/vienna",
        "Factory",
        "localtime",
        "<script>alert(1)</script>",
        "Europe/Vienna\x00",
        "Z" * 3_000,
        "undefined",
    ],
)
def test_what_is_no_zone_is_utc(owner: Client, name: str) -> None:
    owner.cookies["eye_zone"] = name
    page = owner.get("/admin/errors/").content.decode()
    assert 'data-zone="UTC"' in page
    assert "alert(1)" not in page


def test_the_zone_comes_before_anybody_signs_in(client: Client) -> None:
    assert "admin_ext/zone.js" in client.get("/admin/login/").content.decode()


def test_files_and_answers_stay_in_utc(viennese: Client, scene: Scene) -> None:
    ended = SessionReport.objects.get().ended_at
    assert ended is not None
    export = viennese.get(reverse("admin:reports_sessionreport_export_all"))
    assert f",{ended:%Y-%m-%d %H:%M:%S}" in b"".join(export).decode()
    form = {"format": "0", "resource": "", "reportresource_ended_at": "on"}
    chosen: Any = viennese.post(reverse("admin:reports_sessionreport_export"), form)
    assert ended.isoformat() in chosen.getvalue().decode()
    answer = viennese.get(f"/api/sessions/{scene.session}/report")
    assert answer.json()["ended_at"].startswith(f"{ended:%Y-%m-%dT%H:%M}")


def test_what_is_typed_into_a_form_is_of_the_zone(viennese: Client) -> None:
    assert f"In {VIENNA}, now UTC+" in viennese.get("/admin/tracking/apikey/add/").content.decode()
    add(viennese, expires_at_0="2027-07-01", expires_at_1="12:00")
    key = ApiKey.objects.get()
    assert key.expires_at == datetime(2027, 7, 1, 10, tzinfo=UTC)
    page = viennese.get(f"/admin/tracking/apikey/{key.pk}/change/").content.decode()
    assert 'value="12:00:00"' in page


@pytest.mark.parametrize(
    ("day", "time", "says"),
    [
        ("2026-10-25", "02:30", "it may be ambiguous or it may not exist"),
        ("2026-03-29", "02:30", "it may be ambiguous or it may not exist"),
        ("9999-12-31", "23:59", "from 1900 to 2999"),
        ("0001-01-01", "00:00", "from 1900 to 2999"),
    ],
)
def test_a_time_that_cannot_be_is_refused(viennese: Client, day: str, time: str, says: str) -> None:
    page = add(viennese, expires_at_0=day, expires_at_1=time)
    assert says in page.content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        "django_celery_beat/periodictask/add/",
        "django_celery_beat/clockedschedule/add/",
        "auth/user/{owner}/change/",
    ],
)
def test_every_form_with_a_time_says_its_zone(viennese: Client, form: str) -> None:
    owner = viennese.session["_auth_user_id"]
    page = viennese.get(f"/admin/{form.format(owner=owner)}").content.decode()
    assert f"In {VIENNA}, now UTC+" in page
