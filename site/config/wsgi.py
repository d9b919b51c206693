"""For servers that speak WSGI alone: all of The Eye, without the front's speed and patience."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from config import scoreboard
from config.charset import decodable
from config.roomy import roomy

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

scoreboard.share(os.environ)  # before the apps import prometheus_client
django = get_wsgi_application()


@roomy
def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if content_type := environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = decodable(content_type.encode("latin-1")).decode("latin-1")
    return django(environ, start_response)
