import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from config.embedded import DATABASE, USER, EmbeddedError, Order, tail
from config.identity import postgres_identity


class Postgres:
    title = "PostgreSQL"
    # Fast; then at once, without a checkpoint: the next start recovers from the log.
    stop_signals = ((signal.SIGINT, 2.5), (signal.SIGQUIT, 0.5), (signal.SIGKILL, 5.0))

    def __init__(self, order: Order) -> None:
        self.order = order
        self.identity = postgres_identity(order)
        self.stdin = b""

    def prepare(self) -> None:
        if self.order.home.exists():
            self._check_version()
        else:
            self._make_cluster()

    def _make_cluster(self) -> None:
        """Built aside and renamed when whole, so that a half-made one is never taken for good."""
        new = self.order.home.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self.identity.own(new)
        initdb = str(Path(self.order.binary).with_name("initdb"))
        options = ["--auth=trust", "--locale=C", "--encoding=UTF8", "--no-instructions"]
        if not self.order.durable:
            options.append("--no-sync")
        self._run([initdb, "-D", str(new), "-U", USER, *options])
        single = [self.order.binary, "--single", "-D", str(new), "postgres"]
        self._run(single, f"CREATE DATABASE {DATABASE};\n".encode())
        new.rename(self.order.home)

    def _run(self, argv: Sequence[str], stdin: bytes = b"") -> None:
        with self.order.log.open("ab") as log:
            child = self.identity.popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
            child.communicate(stdin)
        if child.returncode:
            raise EmbeddedError(f"{Path(argv[0]).name} failed.\n{tail(self.order.log)}")

    def _check_version(self) -> None:
        ours = (self.order.home / "PG_VERSION").read_text().strip()
        output = subprocess.check_output([self.order.binary, "--version"], text=True)
        found = re.search(r"\(PostgreSQL\) (\d+)", output)
        if found and found[1] != ours:
            raise EmbeddedError(
                f"{self.order.home} was made by PostgreSQL {ours}; {self.order.binary} is "
                f"PostgreSQL {found[1]}, which cannot read it.\n"
                f"Either set EYE_PG_BIN to the bin folder of a PostgreSQL {ours}; or, with that, "
                "save the data with pg_dump, move the folder away, start again and restore it."
            )

    def command(self) -> list[str]:
        folder = str(self.order.socket_dir).replace('"', '""')
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{folder}"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "shared_buffers": "128MB",
            "max_connections": "100",
            "random_page_cost": "1.1",  # on an SSD: PostgreSQL's own default is a turning disk's
            "client_connection_check_interval": "500ms",
            "log_checkpoints": "off",
        }
        if not self.order.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.order.binary, "-D", str(self.order.home), *flags]

    def before_start(self) -> None:
        """A pid file left by a crash blocks the start when another program got its number."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            file = self.order.home / "postmaster.pid"
            pid = int(file.read_text().splitlines()[0])
            if Path(f"/proc/{pid}/comm").read_text().strip() not in {"postgres", "postmaster"}:
                file.unlink()

    def ready(self, pid: int) -> bool:
        """As pg_ctl does it: line 1 is the server's pid, line 8 its state."""
        try:
            lines = (self.order.home / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"
