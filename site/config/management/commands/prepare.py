import json
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils.crypto import get_random_string

from config.settings import text
from tracking.keys import create_key
from tracking.models import Application

ADMIN = "admin"
DEMO = "demo"


@dataclass(frozen=True)
class Made:
    """What there was not yet. A secret is None where nothing was made or its owner chose it."""

    admin: bool
    admin_password: str | None
    demo_key: str | None


class Command(BaseCommand):
    help = (
        "Brings the database up to date; makes the administrator (password: EYE_ADMIN_PASSWORD, "
        "or a random one) and a demo application with a key, where there are none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print what was made as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, stdout=self.stderr, no_color=True)
        made = Made(*make_admin(), demo_key=make_demo_key())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(made)))
        else:
            self._tell(made)

    def _tell(self, made: Made) -> None:
        if made.admin:
            password = made.admin_password or "(the one in EYE_ADMIN_PASSWORD)"
            self.stdout.write(f"Administrator {ADMIN}, password {password}")
        if made.demo_key:
            self.stdout.write(f"Secret key of the application {DEMO}: {made.demo_key}")
        if made.admin_password or made.demo_key:
            self.stdout.write("Write them down: they are shown only now.")


def make_admin() -> tuple[bool, str | None]:
    """Whether the administrator was made, and the password if it was not given."""
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return False, None
    given = text("EYE_ADMIN_PASSWORD")
    password = given or get_random_string(16)
    users.create_superuser(ADMIN, password=password)
    return True, None if given else password


def make_demo_key() -> str | None:
    own = settings.EYE_CAPTURE_APPLICATION
    if Application.objects.exclude(name=own).exists():
        return None
    return create_key(DEMO, "secret").key
