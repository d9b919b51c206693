"""What a database error means for the work that met it, decided by its SQLSTATE.

Exception classes do not tell: a deadlock and a statement too complex are both OperationalError.
"""

from enum import Enum

from django.db import DataError


class Fault(Enum):
    TRANSIENT = "try again later"
    DATA = "a row cannot be stored"
    DEPLOYMENT = "code and schema do not fit"
    UNKNOWN = "unknown"


TRANSIENT_STATES = ("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "25006", "25P03")
ALREADY_THERE = "23505"
TRANSIENT_CLASSES = ("08", "53")
DATA_CLASSES = ("22", "23", "54")
DEPLOYMENT_CLASSES = ("42", "0A")


def sqlstate(error: BaseException) -> str | None:
    """The five characters PostgreSQL gave; None where the connection failed without any."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return getattr(cause, "pgcode", None)


def _constraint(error: BaseException) -> str | None:
    diagnostics = getattr(error.__cause__ or error, "diag", None)
    return getattr(diagnostics, "constraint_name", None)


def classify(error: Exception) -> Fault:
    state = sqlstate(error)
    if state is None:
        is_data = isinstance(error, DataError | UnicodeError | ValueError)
        return Fault.DATA if is_data else Fault.TRANSIENT
    if state == "23514" and not _constraint(error):
        return Fault.DEPLOYMENT  # no partition: the event is right, and a table is missing
    if state == ALREADY_THERE:
        return Fault.TRANSIENT  # stored by somebody else since we looked
    if state in TRANSIENT_STATES or state.startswith(TRANSIENT_CLASSES):
        return Fault.TRANSIENT
    if state.startswith(DATA_CLASSES):
        return Fault.DATA
    if state.startswith(DEPLOYMENT_CLASSES) or state == "21000":
        return Fault.DEPLOYMENT
    return Fault.UNKNOWN
