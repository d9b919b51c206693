import json
from typing import Any

from django.core.management.base import BaseCommand

from tracking.api.readers import document


class Command(BaseCommand):
    help = "Prints the OpenAPI document of this version's API."

    def handle(self, **options: Any) -> None:
        print(json.dumps(document(), indent=1, ensure_ascii=False))
