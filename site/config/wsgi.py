import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from config import scoreboard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

CHARSET = re.compile(r"charset\*?\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)

scoreboard.share(os.environ)  # before the apps import prometheus_client
django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django, with a content type that it can decode, or none that anything takes.

    With a charset that is no text encoding it would fail before any error of ours can be made.
    """
    charset = CHARSET.search(environ.get("CONTENT_TYPE", ""))
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        environ["CONTENT_TYPE"] = "unknown/charset"
    return django(environ, start_response)
