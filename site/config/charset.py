import re

CHARSET = re.compile(rb"charset\*?\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)


def decodable(content_type: bytes) -> bytes:
    """The content type if its text can be decoded; otherwise one that nothing takes.

    With a charset that is no text encoding Django would fail before any error of ours can be made.
    """
    charset = CHARSET.search(content_type)
    if charset and charset[1].lower() not in {b"utf-8", b"utf8"}:
        return b"unknown/charset"
    return content_type
