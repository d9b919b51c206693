"""What `manage.py up` shows to the person who started it."""

import contextlib
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

# A line of a log that somebody should see: a warning or worse, or the end of a traceback.
NOTABLE = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|^[\w.]+(Error|Exception)\b")
# The services are wordy; what matters about them is said by their keepers.
NOTABLE_OF_SERVICE = re.compile(r"^--- keeper|\bPANIC\b")
LINES_AT_ONCE = 5


class Terminal:
    """Lines, and steps that end with "ok". Says nothing more once nobody listens."""

    def __init__(self) -> None:
        self.in_step = False

    def say(self, text: str = "") -> None:
        self._write(("\n" if self.in_step else "") + text + "\n")
        self.in_step = False

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        started = time.monotonic()
        self._write(f"  {text} ... ")
        self.in_step = True
        try:
            yield
        except BaseException:
            if self.in_step:
                self._write("no\n")
            self.in_step = False
            raise
        took = f"ok ({time.monotonic() - started:.1f} s)\n"
        self._write(took if self.in_step else f"  {text} ... {took}")
        self.in_step = False

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()


class Follower:
    """Reads what is added to a log and picks what is worth a line in the terminal."""

    def __init__(self, name: str, log: Path, notable: re.Pattern[str]) -> None:
        self.name = name
        self.notable = notable
        self.log = log
        self.position = log.stat().st_size if log.exists() else 0

    def news(self) -> list[str]:
        notable = [line for line in self._added() if self.notable.search(line)]
        shown = [f"{self.name:>8} | {line}" for line in notable[:LINES_AT_ONCE]]
        if more := len(notable) - len(shown):
            shown.append(f"{self.name:>8} | … and {more} more such lines in {short(self.log)}")
        return shown

    def _added(self) -> list[str]:
        """Whole lines only: the rest of an unfinished one comes with the next look."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as file:
            if self.log.stat().st_size < self.position:  # put aside, and begun anew
                self.position = 0
            file.seek(self.position)
            whole, _, _ = file.read().rpartition(b"\n")
        self.position += len(whole) + 1 if whole else 0
        return whole.decode(errors="replace").splitlines()


def short(path: Path) -> str:
    """As one would type it here."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def welcome(url: str, made: Mapping[str, str | bool | None], logs: Path) -> str:
    """Where to look, and what was made for it on this start."""
    key = made["demo_key"]
    how = "" if key else f" (“{_command('create_key NAME --kind secret')}” makes a key)"
    lines = [
        "",
        "The Eye is ready.",
        "",
        f"  Capture page   {url}/  (move the pointer there and see its speed)",
        f"  Admin          {url}/admin/",
        f"                 user admin, {_password(made)}",
    ]
    if key:
        lines.append(f"  Secret key     {key}  (of the application “demo”; shown only now)")
    lines += [
        f"  Logs           {short(logs)}/",
        "",
        f"  Send an event of your own{how}:",
        _curl(url, str(key or "KEY")),
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _password(made: Mapping[str, str | bool | None]) -> str:
    if made["admin_password"]:
        return f"password {made['admin_password']}  (shown only now)"
    if made["admin"]:
        return "the password you set in EYE_ADMIN_PASSWORD"
    return f"the password of its first start ({_command('changepassword admin')} sets another)"


def _command(arguments: str) -> str:
    return f"{short(Path(sys.executable))} manage.py {arguments}"


def _curl(url: str, key: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = (
        f'{{"session_id": "{uuid.uuid4()}", "category": "shop", "name": "order",'
        f' "data": {{"items": 2}}, "timestamp": "{now}"}}'
    )
    return (
        f"  curl {url}/api/events -H 'Authorization: Bearer {key}' \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -d '{event}'"
    )
