"""What the logs say, and leave out: keys, and the requests of keys that are over their limit."""

import logging
import re

# As it is, or as it stands in an address, percent-encoded.
KEY = re.compile(r"eye(_|%5f)(pk|sk)(_|%5f)[\w%-]+", re.IGNORECASE)


def without_keys(text: str) -> str:
    return KEY.sub(lambda found: f"eye_{found[2].lower()}_***", text)


class KeylessFormatter(logging.Formatter):
    """Any formatter's lines, their tracebacks too, without a key in them."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return without_keys(self.inner.format(record))


class Line(logging.Formatter):
    """With the id of the request, where there is one: its client was told it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        request_id = getattr(getattr(record, "request", None), "request_id", None)
        line = super().formatMessage(record)
        return f"{line} (request {request_id})" if request_id else line


def line() -> logging.Formatter:
    return KeylessFormatter(Line("{asctime} {levelname} {name}: {message}", style="{"))


def hide_keys(logger: logging.Logger, **signal: object) -> None:
    """For a logger whose handlers somebody else has made."""
    for handler in logger.handlers:
        if not isinstance(handler.formatter, KeylessFormatter):
            handler.setFormatter(KeylessFormatter(handler.formatter or logging.Formatter()))


def is_not_throttled(record: logging.LogRecord) -> bool:
    """A flood that is refused shall not become a flood of lines."""
    return getattr(record, "status_code", None) != 429
