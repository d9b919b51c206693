"""How it is found out that PostgreSQL is silent; test_database_faults.py has what clients see of it."""

import pytest
from config.pulse import Pulse
from django.db import connection

from tests.waiting import until


@pytest.mark.django_db(transaction=True)
def test_what_goes_wrong_in_asking_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", dict(connection.settings_dict["OPTIONS"])
    )
    pulse = Pulse()
    pulse.start()
    with pulse.watched():
        with monkeypatch.context() as wrong:
            wrong.setitem(connection.settings_dict, "NAME", "")
            until(lambda: "ImproperlyConfigured" in caplog.text)
        own = until(lambda: pulse.own)
    assert own
    own.close()


@pytest.mark.django_db
def test_connections_on_which_nothing_happens_are_kept_alive() -> None:
    connection.ensure_connection()
    assert connection.connection.get_dsn_parameters()["keepalives_idle"] == "30"
