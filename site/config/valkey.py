import contextlib
import signal
import socket
from pathlib import Path

from config.embedded import Order
from config.identity import owner_of


class Valkey:
    title = "Valkey"
    stop_signals = ((signal.SIGTERM, 2.5), (signal.SIGKILL, 5.0))

    def __init__(self, order: Order) -> None:
        self.order = order
        self.identity = owner_of(order.home if order.home.exists() else order.data_dir)
        self.socket = order.socket_dir / "valkey.sock"
        self.stdin = self._configuration().encode()

    def prepare(self) -> None:
        if not self.order.home.exists():
            self.order.home.mkdir(mode=0o700)
            self.identity.own(self.order.home)

    def before_start(self) -> None:
        """The service itself replaces an old socket."""

    def command(self) -> list[str]:
        return [self.order.binary, "-"]

    def _configuration(self) -> str:
        settings = {
            "port": "0",
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": "700",
            "dir": _quoted(self.order.home),
            "appendonly": "yes" if self.order.durable else "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
            # One for the broker and one for the cache; tests run many side by side.
            "databases": "256",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def ready(self, _pid: int) -> bool:
        """It answers PING with an error while it loads its data."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(7).startswith(b"+PONG")
        return False


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
