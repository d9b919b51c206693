"""`manage.py up`, as a newcomer meets it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from config import children
from config.embedded import wait_until

from tests.config.conftest import Environment, processes_of
from tests.processes import free_port

READY_SECONDS = 120.0
# What is promised.
STOP_SECONDS = 10.0


class Up:
    """`manage.py up` and what it wrote."""

    def __init__(self, env: dict[str, str], output: Path) -> None:
        self.output = output
        self.port = int(env["PORT"])
        self.data = Path(env["EYE_DATA_DIR"])
        with output.open("w") as file:
            self.process = subprocess.Popen(
                children.manage("up"), env=env, stdout=file, stderr=file, start_new_session=True
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def says(self, words: str, seconds: float = READY_SECONDS) -> bool:
        return (
            wait_until(lambda: words in self.text or self.process.poll() is not None, seconds)
            and words in self.text
        )

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def leader(self, name: str) -> int:
        """The process of that child."""
        pattern = {"web": "granian", "worker": " worker ", "beat": " beat ", "sweeper": " sweep"}
        groups = json.loads((self.data / "run" / "children").read_text() or "[]")
        found = [group for group in groups if pattern[name] in command_line(group)]
        return int(found[0]) if found else 0

    def service(self, name: str) -> int:
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads((self.data / "run" / f"{name}.keeper").read_text())["pid"])
        return 0


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


@contextlib.contextmanager
def up(env: dict[str, str], output: Path) -> Iterator[Up]:
    started = Up(env, output)
    try:
        assert started.says("Ctrl-C stops everything."), started.text
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def manage(env: dict[str, str], *arguments: str) -> str:
    return subprocess.check_output(children.manage(*arguments), env=env, text=True)


def test_it_starts_revives_its_children_stops_and_starts_again(
    environment: Environment, tmp_path: Path
) -> None:
    env = environment(PORT=str(free_port()))
    with up(env, tmp_path / "first") as eye:
        assert eye.answers()
        assert re.search(r"user admin, password \w{16}", eye.text)
        assert re.search(r"Secret key +eye_sk_", eye.text)
        made = json.loads(manage(env, "create_key", "shop", "--kind", "secret", "--json"))
        assert made["application"] == "shop"
        assert eye.answers()
        check_that_a_second_one_is_refused(env, eye)
        for name in ("web", "worker", "beat", "sweeper"):
            check_that_a_killed_child_is_started_again(eye, name)
        for name in ("postgres", "valkey"):
            check_that_a_killed_service_is_started_again(eye, name)
        assert wait_until(eye.answers, STOP_SECONDS)
    assert wait_until(lambda: not processes_of(eye.data), STOP_SECONDS), processes_of(eye.data)

    with up(env, tmp_path / "second") as eye:
        assert "the password of its first start" in eye.text
        assert "Secret key" not in eye.text
        assert "shop" in manage(env, "dumpdata", "tracking.application")
        check_that_it_stops(eye)


def check_that_a_second_one_is_refused(env: dict[str, str], eye: Up) -> None:
    second = subprocess.run(children.manage("up"), env=env, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"already runs on {eye.data} (process {eye.process.pid})" in second.stderr


def check_that_a_killed_child_is_started_again(eye: Up, name: str) -> None:
    killed = eye.leader(name)
    os.kill(killed, signal.SIGKILL)
    assert eye.says(f"{name} ended (SIGKILL); starting it again in 0.5 s.", STOP_SECONDS)
    assert wait_until(lambda: eye.leader(name) not in {0, killed}, STOP_SECONDS)


def check_that_a_killed_service_is_started_again(eye: Up, name: str) -> None:
    killed = eye.service(name)
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: eye.service(name) not in {0, killed}, STOP_SECONDS)


def check_that_it_stops(eye: Up) -> None:
    """On a polite kill, with an impatient Ctrl-C on top of it."""
    started = time.monotonic()
    eye.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    eye.process.send_signal(signal.SIGINT)
    assert eye.process.wait(STOP_SECONDS) == 0
    assert time.monotonic() - started < STOP_SECONDS
    assert not processes_of(eye.data)
    assert eye.text.endswith("Stopped.\n")


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ({"PORT": "taken"}, r"port \d+: Address already in use.\nChoose another .* PORT=\d+ make"),
        ({"PORT": "eighty"}, "PORT must be a number from 1 to 65535, not 'eighty'"),
        ({"EYE_HOST": "no.such.host.invalid"}, "EYE_HOST is not an address of this machine"),
        ({"EYE_WORKER_CONCURRENCY": "0"}, "EYE_WORKER_CONCURRENCY must be a number above 0"),
        ({"EYE_DATA_DIR": "/proc/data"}, "data folder /proc/data cannot be used.*EYE_DATA_DIR"),
    ],
)
def test_it_says_what_is_wrong_before_it_starts_anything(
    environment: Environment, setting: dict[str, str], advice: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        settings = {name: value.replace("taken", taken) for name, value in setting.items()}
        env = environment(**{"PORT": str(free_port()), **settings})
        result = subprocess.run(children.manage("up"), env=env, capture_output=True, text=True)
    assert result.returncode == 1
    assert re.search(advice, result.stderr, re.DOTALL), result.stderr
    assert not (Path(env["EYE_DATA_DIR"]) / "postgres").exists()


def test_a_child_that_cannot_start_ends_the_attempt_with_the_reason(
    environment: Environment, tmp_path: Path
) -> None:
    env = environment(PORT=str(free_port()), CELERY_BROKER_URL="nonsense://nowhere")
    eye = Up(env, tmp_path / "output")
    assert eye.process.wait(READY_SECONDS) == 1
    assert "does not get ready." in eye.text
    assert "No such transport: nonsense" in eye.text
    assert not processes_of(eye.data)
