from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import demo


class Command(BaseCommand):
    help = "Fills the database with visits of three invented sites, to look around in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scale",
            type=float,
            default=0.005,
            help="1 is 100,000 sessions, 10 million events and a million tasks (default: %(default)s)",
        )
        parser.add_argument("--seed", type=int, default=1, help="other visits with another number")
        parser.add_argument(
            "--beside-others",
            action="store_true",
            help="also where there are events of other applications",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["scale"] <= 10:
            raise CommandError("--scale: a number above 0, and not above 10, is needed.")
        try:
            made = demo.seed(
                options["scale"], options["seed"], self.stdout.write, options["beside_others"]
            )
        except demo.NotEmpty:
            raise CommandError(
                "There are events of other applications here, and their figures would be mixed with "
                "those of the demo. Give --beside-others if that is what you want."
            ) from None
        self.stdout.write(
            f"Made {made.sessions:,} sessions of {made.events:,} events, and {made.tasks:,} tasks."
        )
