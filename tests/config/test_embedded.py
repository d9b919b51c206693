"""The embedded services: who starts and stops them, and where and as whom they run."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg2
import pytest
from config import children, embedded
from config.embedded import EmbeddedError, Hold, hold, wait_until

from tests.config.conftest import Environment

PATIENCE = 10.0
HOLDER = """
import os, sys
from config import embedded
with embedded.hold(embedded.data_dir(os.environ), durable=False):
    print("holding", flush=True)
    sys.stdin.read()
"""
# Root of a namespace that allows no further one: as in a container with the usual restrictions.
CONFINED = """
import os, sys
from pathlib import Path
ready, go = os.pipe(), os.pipe()
if not (child := os.fork()):
    os.unshare(os.CLONE_NEWUSER)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
os.read(ready[0], 1)
for kind in ("uid_map", "gid_map"):
    Path(f"/proc/{child}/{kind}").write_text("0 0 65536")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def number_of_tables(data_dir: Path) -> int:
    """Asked of the server itself, so that it must be there."""
    folder = str(embedded.postgres_socket_dir(data_dir))
    with (
        contextlib.closing(psycopg2.connect(dbname="eye", user="eye", host=folder)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT count(*) FROM pg_stat_user_tables")
        row = cursor.fetchone()
        assert row
        return int(row[0])


def is_running(data_dir: Path) -> bool:
    with contextlib.suppress(psycopg2.OperationalError):
        return number_of_tables(data_dir) >= 0
    return False


def pid(held: Hold, service: str, key: str = "pid") -> int:
    return int(str(held.status(service).get(key, 0)))


def has_another_pid(held: Hold, service: str, old: int) -> bool:
    return pid(held, service) not in {0, old}


@contextlib.contextmanager
def another_process(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=env, text=True, stdin=-1, stdout=-1, stderr=-1
    )
    assert holder.stdout
    assert holder.stdout.readline() == "holding\n"
    yield holder
    holder.kill()
    holder.communicate()


def test_the_services_stop_with_their_last_user_even_a_killed_one(
    data: Path, environment: Environment
) -> None:
    with another_process(environment()) as other:
        with hold(data, durable=False):
            assert is_running(data)
        assert is_running(data)
        other.kill()
        assert wait_until(lambda: not is_running(data), PATIENCE)


def test_a_service_that_was_killed_is_started_again(data: Path) -> None:
    with hold(data, durable=False) as held:
        for service in embedded.SERVICES:
            killed = pid(held, service)
            os.kill(killed, signal.SIGKILL)
            assert wait_until(partial(has_another_pid, held, service, killed), PATIENCE)
        assert is_running(data)


def test_a_killed_keeper_leaves_its_service_to_the_next(data: Path) -> None:
    with hold(data, durable=False) as held:
        for service in embedded.SERVICES:
            os.kill(pid(held, service, "keeper"), signal.SIGKILL)
        assert wait_until(lambda: not any(map(held.is_kept, embedded.SERVICES)), PATIENCE)
        held.ensure()
        assert is_running(data)


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30) / "with a space"
    with hold(data, durable=False):
        assert is_running(data)
        sockets = embedded.postgres_socket_dir(data)
        assert embedded.valkey_socket(data).is_socket()
    assert not sockets.is_relative_to(data)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert embedded.postgres_socket_dir(data) == sockets
    sockets.rmdir()
    another = embedded.postgres_socket_dir(data)
    assert another.is_dir()
    another.rmdir()


def test_data_of_another_version_is_left_alone(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"(?s)made by PostgreSQL 12.*EYE_PG_BIN") as caught:
        hold(data).__enter__()
    assert "pg_dump" in str(caught.value)


def test_a_missing_binary_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYE_PG_BIN", "/nowhere")
    with pytest.raises(EmbeddedError, match=r"(?s)/nowhere/postgres.*EYE_PG_BIN.*DATABASE_URL"):
        hold(data).__enter__()


def test_commands_have_the_services_they_need_and_no_others(
    data: Path, environment: Environment
) -> None:
    def manage(*arguments: str) -> str:
        command = children.manage(*arguments)
        return subprocess.check_output(command, env=environment(), text=True)

    manage("check")
    assert not (data / "postgres").exists()
    assert "[ ] 0001_initial" in manage("showmigrations", "tracking")
    assert (data / "postgres").exists()
    assert not is_running(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its rights")
class TestAsRoot:
    def test_postgres_runs_without_root_rights(self, data: Path) -> None:
        with hold(data, durable=False) as held:
            status = Path(f"/proc/{pid(held, 'postgres')}/status").read_text()
        assert "CapEff:\t0000000000000000" in status

    def test_without_user_namespaces_it_runs_as_nobody(
        self, data: Path, environment: Environment
    ) -> None:
        self._open_to_all(data.parent)
        env = environment()
        assert self._confined(env).stdout == "holding\n"
        assert (data / "postgres").owner() == "nobody"
        with hold(data, durable=False):
            assert is_running(data)

    def test_it_says_what_to_do_when_nobody_may_not_reach_the_data(
        self, data: Path, environment: Environment
    ) -> None:
        data.parent.chmod(0o700)
        result = self._confined(environment())
        assert "EmbeddedError: PostgreSQL does not run as root" in result.stderr
        assert "EYE_DATA_DIR" in result.stderr

    @staticmethod
    def _open_to_all(folder: Path) -> None:
        for each in [folder, *folder.parents]:
            if each.owner() == "root":
                each.chmod(each.stat().st_mode | 0o011)

    @staticmethod
    def _confined(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", CONFINED, "-c", HOLDER]
        return subprocess.run(command, env=env, text=True, input="", capture_output=True)
