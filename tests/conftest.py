"""Gives the tests a throw-away PostgreSQL and Valkey before Django reads its settings.

EYE_TEST_DATABASE_URL and EYE_TEST_BROKER_URL name others to use in their place.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import django
import django.conf
import pytest
from config import embedded

from tests import processes
from tests.processes import beat, logs, sweeper, web, worker

__all__ = ["beat", "logs", "sweeper", "web", "worker"]

TESTS = Path(__file__).parent
PLUGINS = ("tests.cast", "tests.emptied", "tests.once")
LOG_LINES = 60
# What a developer may have set for their own service shall not change the tests; this is for them.
FOR_TESTS = {
    "EYE_ARRIVALS",
    "EYE_CHROMIUM",
    "EYE_FUZZ_SECONDS",
    "EYE_PGBOUNCER",
    "EYE_PG_BIN",
    "EYE_REQUIRE_BROWSER",
    "EYE_TEST_BROKER_URL",
    "EYE_TEST_DATABASE_URL",
    "EYE_VALKEY_BIN",
}
# They take longest. The parallel workers begin with them, so that none has a long one left when the
# others have nothing more to do. Those that drive a browser are apart: two at once slow each other.
LONGEST = (
    "test_bench.py",
    "admin_ext/test_browser.py",
    "admin_ext/test_matrix.py",
    "test_flow.py",
    "admin_ext/test_session_browser.py",
    "test_contract.py",
    "admin_ext/test_odd_requests.py",
    "admin_ext/test_every_page.py",
    "config/test_up.py",
    "reports/test_arrival.py",
    "e2e/test_tracker.py",
    "reports/test_mad_sessions.py",
    "admin_ext/test_live_browser.py",
)
services = contextlib.ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.help or config.option.version:
        return
    if django.conf.settings.configured:
        raise pytest.UsageError(
            "Django's settings were read before the services to be named in them were started. "
            "Take DJANGO_SETTINGS_MODULE out of the environment and of pytest's configuration."
        )
    if "PYTEST_XDIST_WORKER" in os.environ:
        separate_brokers(int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")))
    else:
        start_services()
    os.environ.setdefault("TESTS_STARTED_AT", datetime.now(UTC).isoformat(timespec="seconds"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    if getattr(config.option, "dist", "no") != "no":
        del os.environ["DJANGO_SETTINGS_MODULE"]  # or the parallel workers would read it too early
    for plugin in PLUGINS:  # their imports need what was set up here
        config.pluginmanager.import_plugin(plugin)


def pytest_unconfigure() -> None:
    services.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a parallel worker; its node's order is that in which files are handed out."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = {TESTS / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path, len(places)))


def start_services() -> None:
    """Once, in the process the others are started from; they inherit its environment."""
    folder = Path(tempfile.mkdtemp(prefix="eye-test-", dir="/tmp"))
    services.callback(shutil.rmtree, folder, ignore_errors=True)
    named = {
        "postgres": os.environ.get("EYE_TEST_DATABASE_URL"),
        "valkey": os.environ.get("EYE_TEST_BROKER_URL"),
    }
    missing = [service for service, url in named.items() if not url]
    services.enter_context(embedded.hold(folder, missing, durable=False))
    sockets = quote(str(embedded.postgres_socket_dir(folder)), safe="")
    valkey = embedded.valkey_socket(folder)
    for variable in [name for name in os.environ if name.startswith("EYE_")]:
        if variable not in FOR_TESTS:
            del os.environ[variable]
    os.environ |= {
        "EYE_DATA_DIR": str(folder),
        "EYE_SECRET_KEY": "only for tests",
        "DATABASE_URL": named["postgres"] or f"postgresql://eye@{sockets}/eye",
        "CELERY_BROKER_URL": named["valkey"] or f"redis+socket://{valkey}?virtual_host=0",
        "CACHE_URL": "" if named["valkey"] else f"unix://{valkey}?db=1",
    }


def separate_brokers(worker: int) -> None:
    """Two Valkey databases for each parallel worker. (pytest-django sees to PostgreSQL.)"""
    broker, cache = 2 * worker + 2, 2 * worker + 3
    for variable, old, new in (
        ("CELERY_BROKER_URL", "?virtual_host=0", f"?virtual_host={broker}"),
        ("CACHE_URL", "?db=1", f"?db={cache}"),
    ):
        os.environ[variable] = os.environ[variable].replace(old, new)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for process in processes.running:
            lines = process.output().splitlines()[-LOG_LINES:]
            report.sections.append((f"log of {process.name}", "\n".join(lines)))
    return report
