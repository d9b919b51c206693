from typing import Any

from django.core.management.base import BaseCommand

from config import supervisor


class Command(BaseCommand):
    help = "Starts everything: the embedded services, web, worker, beat and sweeper. Ctrl-C stops."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if code := supervisor.main():
            raise SystemExit(code)
