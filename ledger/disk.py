"""A file system of the database's own, so that it can be filled up and nobody else's is."""

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The image is sparse: it takes the room of what is in it.
IMAGE_BYTES = 16 * 1024**3
SMALLEST_PIECE = 4096


class NoDisk(Exception):
    """There can be none here; the message says why."""


@dataclass(frozen=True, slots=True)
class Disk:
    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Disk":
        """Mounts one on the folder, which only this process and its children see: should they be
        killed, it goes with the last of them. Raises `NoDisk`."""
        if os.geteuid() != 0 or not hasattr(os, "unshare"):
            raise NoDisk("a file system of its own takes root, on Linux")
        if not (shutil.which("mkfs.ext4") and shutil.which("mount")):
            raise NoDisk("there is no mkfs.ext4 or no mount here")
        image = folder.with_suffix(".image")
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        try:
            os.unshare(os.CLONE_NEWNS)
            _run("mount", "--make-rprivate", "/")
            _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", str(image))
            _run("mount", "-o", "loop", str(image), str(folder))
        except OSError as error:
            raise NoDisk(f"this machine lets nobody mount ({error})") from None
        return cls(folder)

    def release(self) -> None:
        _run("umount", "--lazy", str(self.folder))

    @contextlib.contextmanager
    def ballast(self) -> Iterator[int]:
        """A file, to take up the room with; with it goes its weight."""
        path = self.folder / "ballast"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield file
        finally:
            path.unlink()
            os.close(file)


def fill(ballast: int) -> None:
    """Lets the ballast take all that is left, piece by ever smaller piece."""
    piece = IMAGE_BYTES
    while piece >= SMALLEST_PIECE:
        try:
            os.posix_fallocate(ballast, os.fstat(ballast).st_size, piece)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EFBIG}:
                raise
            piece //= 2


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"{argv[0]} failed")
