#!/usr/bin/env python
"""Django's command line. A command that needs the embedded services has them while it runs."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# `up` sees to the services itself; the others need none.
NEEDS_NO_SERVICE = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "makemigrations",
    "openapi",
    "startapp",
    "startproject",
    "up",
    "version",
}


def main(argv: Sequence[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.path[:0] = [str(ROOT), str(ROOT / "site")]
    from config import supervisor
    from config.embedded import EmbeddedError
    from django.core.management import execute_from_command_line

    if list(argv[1:]) == ["up"]:  # without Django, which would only hold memory
        sys.exit(supervisor.main())
    try:
        with services(argv[1:]):
            execute_from_command_line(list(argv))
    except EmbeddedError as error:
        sys.exit(f"{error}")


def services(arguments: Sequence[str]) -> contextlib.AbstractContextManager[object]:
    if not needs_services(arguments):
        return contextlib.nullcontext()
    from config import embedded

    return embedded.hold(embedded.data_dir(os.environ), embedded.needed(os.environ))


def needs_services(arguments: Sequence[str]) -> bool:
    if not arguments or {"-h", "--help", "--version"} & set(arguments):
        return False
    return arguments[0] not in NEEDS_NO_SERVICE


if __name__ == "__main__":
    main(sys.argv)
