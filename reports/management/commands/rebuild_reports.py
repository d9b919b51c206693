from argparse import ArgumentParser
from getpass import getuser
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reports import rebuild
from reports.models import Rebuild
from reports.tasks import rebuild_bell
from tracking.audit import Actor

EVERY_SECONDS = 1.0
CHANGES = {"pause": rebuild.pause, "resume": rebuild.resume, "cancel": rebuild.cancel}


class Command(BaseCommand):
    help = (
        "Has the workers build all reports anew, newest session first, and prints how far they are. "
        "To end it (Ctrl-C) ends only the printing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        for name in CHANGES:
            what.add_argument(f"--{name}", action="store_const", const=name, dest="what")
        what.add_argument(
            "--status", action="store_const", const="status", dest="what", help="of the latest one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        what, actor = options["what"], Actor(f"{getuser()}, at the command line")
        try:
            if what is None:
                self._follow(rebuild.begin(actor))
            elif what in CHANGES:
                self.stdout.write(told(CHANGES[what](actor)))
            else:
                latest = Rebuild.objects.first()
                self.stdout.write(told(latest) if latest else "No reports have been rebuilt yet.")
        except rebuild.Conflict as conflict:
            raise CommandError(str(conflict)) from None

    def _follow(self, made: Rebuild) -> None:
        said = ""
        while True:
            made.refresh_from_db()
            if (text := told(made)) != said:
                self.stdout.write(said := text)
            if made.finished_at:
                return
            rebuild_bell.ring()
            sleep(EVERY_SECONDS)


def told(made: Rebuild) -> str:
    apart = f", {made.failed:,} failed, {made.skipped:,} final" if made.seen > made.done else ""
    return f"{made.get_state_display()}: {made.seen:,} of {made.total:,} ({made.percent} %){apart}"
