import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tracking.keys import NotAnOrigin, create_key


class Command(BaseCommand):
    help = "Makes an API key for an application (made if need be) and prints it, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("application", metavar="APPLICATION")
        parser.add_argument("--kind", choices=["secret", "publishable"], required=True)
        parser.add_argument(
            "--origin",
            action="append",
            default=[],
            metavar="URL",
            help="where a publishable key may be used from; may be given several times",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            new = create_key(options["application"], options["kind"], options["origin"])
        except NotAnOrigin as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            answer = {"application": new.application, "kind": new.kind, "key": new.key}
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(f"{new.kind.capitalize()} key of {new.application}, shown only now:")
            self.stdout.write(new.key)
