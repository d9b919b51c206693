"""As whom an embedded service runs. PostgreSQL refuses to run as root, so root needs another way."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.embedded import EmbeddedError, Order

PR_SET_PDEATHSIG = 1


def enter_user_namespace() -> None:
    """Ourselves outside, an ordinary user inside. Raises where that is not allowed.

    One that has a name: initdb insists on it.
    """
    ordinary = next(user for user in pwd.getpwall() if user.pw_uid)
    uid, gid = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{ordinary.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{ordinary.pw_gid} {gid} 1")


def die_with_parent(signum: signal.Signals) -> None:
    """Best effort: only Linux can. The rest of the world relies on the `alive` lock."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum))


@dataclass(frozen=True)
class Identity:
    """Who runs the service: ourselves, another user, or ourselves in a user namespace."""

    uid: int | None = None
    gid: int | None = None
    namespace: bool = False

    def popen(
        self, argv: Sequence[str], before: Callable[[], None] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        def preexec() -> None:
            if self.namespace:
                enter_user_namespace()
            if before:
                before()

        groups: list[int] | None = None if self.uid is None else []  # root's own shall not stay
        return subprocess.Popen(
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=groups,
            preexec_fn=preexec,
            **options,
        )

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_run(self, binary: str, folder: Path) -> bool:
        """Whether this user reaches the folder and may run the binary there."""
        script = 'cd "$1" && test -w . && exec "$2" --version'
        argv = ["/bin/sh", "-c", script, "sh", str(folder), binary]
        try:
            probe = self.popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            return False
        return probe.wait() == 0


def owner_of(folder: Path) -> Identity:
    """For root: the user who already owns the folder, so that their files stay theirs."""
    if os.geteuid() != 0 or not folder.exists():
        return Identity()
    status = folder.stat()
    return Identity(status.st_uid, status.st_gid) if status.st_uid else Identity()


def postgres_identity(order: Order) -> Identity:
    """In order of preference: simply us, the owner of the data, a namespace, nobody."""
    root = os.geteuid() == 0
    if not root and _has_name(os.geteuid()):
        return Identity()
    owner = owner_of(order.home if order.home.exists() else order.data_dir)
    if owner.uid is not None and (order.home.exists() or _has_name(owner.uid)):
        return owner
    namespaced = Identity(namespace=True)
    if namespaced.can_run(order.binary, order.data_dir):
        return namespaced
    if root:
        return _nobody(order)
    raise EmbeddedError(
        f"PostgreSQL does not run as user {os.geteuid()}, which has no name on this machine. "
        "Run as a user that has one, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _has_name(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def _nobody(order: Order) -> Identity:
    entry = pwd.getpwnam("nobody")
    nobody = Identity(entry.pw_uid, entry.pw_gid)
    # To pass through is all others may do; every folder below has its own lock on the door.
    order.data_dir.chmod(0o711)
    nobody.own(order.socket_dir)
    if not nobody.can_run(order.binary, order.socket_dir):
        Identity(0, 0).own(order.socket_dir)
        order.data_dir.chmod(0o700)
        raise EmbeddedError(_root_advice(order))
    for path in [order.home, *order.home.rglob("*")] if order.home.exists() else []:
        nobody.own(path)
    return nobody


def _root_advice(order: Order) -> str:
    return (
        "PostgreSQL does not run as root, this machine allows root no user namespace, and the user "
        f"'nobody' cannot reach {order.data_dir} or {order.binary}.\n"
        "Do one of these: run as an ordinary user; move the project, and EYE_DATA_DIR if you set "
        "it, to where every user can reach them, such as /srv; or set DATABASE_URL to a PostgreSQL "
        "of your own."
    )
