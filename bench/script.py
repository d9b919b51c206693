"""A module of this package, run in a process of its own, and the lines exchanged with it."""

import os
import subprocess
import sys


class Script:
    def __init__(self, module: str, *arguments: str) -> None:
        self.module = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self.process.stdin  # noqa: S101 - it is a pipe
        print(line, file=self.process.stdin, flush=True)

    def line(self) -> str:
        assert self.process.stdout  # noqa: S101 - it is a pipe
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"{self.module} has failed; its error stands above.")
        return line

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
