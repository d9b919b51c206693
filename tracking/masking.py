"""Hiding what should not be read in a list of errors: secrets, and what identifies a person."""

import re
from typing import Any

MARK = "***"
# A card's number has 12 digits and more; smaller numbers are counts, prices and times in seconds.
LONG_NUMBER = 10**11
# A property so named, or with such a word in its name, is hidden whole.
WORDS = {
    "auth",
    "bearer",
    "card",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "iban",
    "jwt",
    "otp",
    "pin",
    "pwd",
    "sid",
    "ssn",
}
PARTS = (
    "apikey",
    "authorization",
    "cookie",
    "creditcard",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "token",
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
NOT_LETTERS = re.compile(r"[^a-z]+")

# Alternatives in this order: what is recognised first is not looked at again. Each looks ahead a
# bounded way only, so that a long text costs time in proportion to its length.
SENSITIVE = re.compile(
    r"""
      (?P<keep>
          \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b
        | \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
      )
    | (?P<key>eye_[sp]k_)[\w-]{4,}
    | (?P<scheme>\b(?:bearer|basic|token)\s{1,5})[\w.~+/=-]{8,}
    | (?P<jwt>\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?)
    | (?P<name>\b(?:password|passwd|pwd|secret|token|api_?key|cvv|cvc|iban|ssn)["']?\s{0,3}[=:]\s{0,3})
      [^\s&;,]+
    | (?P<mail>[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)
    | (?P<iban>\b(?-i:[A-Z]{2}\d\d(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,3})?)\b)
    | (?P<digits>(?<![\w.])\+?\(?\d(?:[ ().\/-]{0,2}\d){8,})
    """,
    re.VERBOSE | re.IGNORECASE,
)


def masked(value: Any, *, numbers: bool = True) -> Any:
    """The same JSON value with all that is sensitive replaced by `***`; long `numbers` too."""
    if isinstance(value, dict):
        return {
            masked_text(key, numbers): MARK if is_sensitive(key) else masked(inner, numbers=numbers)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, numbers=numbers) for inner in value]
    if isinstance(value, str):
        return masked_text(value, numbers)
    return MARK if numbers and _is_long(value) else value


def masked_text(text: str, numbers: bool = True) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match["keep"] or (match["digits"] and not numbers):
            return match[0]
        return (match["key"] or match["scheme"] or match["name"] or "") + MARK

    return SENSITIVE.sub(replacement, text)


def _is_long(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) >= LONG_NUMBER


def is_sensitive(name: str) -> bool:
    """Whether what a property of this name holds is nobody's business."""
    words = NOT_LETTERS.split(CAMEL.sub("_", name).lower())
    joined = "".join(words)
    return not WORDS.isdisjoint(words) or any(part in joined for part in PARTS)


def hides(field: str) -> bool:
    """Whether any property on the way to this field is sensitive."""
    return any(is_sensitive(part) for part in re.split(r"[.\[]", field))
