"""Which reports are behind their sessions, or made in another way than now."""

from django.db.models import Exists, F, OuterRef, Q

from reports.parameters import PARAMETERS
from tracking.models import Session

FEW = 1_000
NEWS = Exists(Session.objects.filter(pk=OuterRef("session_id"), report_revision__lt=F("revision")))
OF_ANOTHER_VERSION = Q(version__lt=PARAMETERS.version) | Q(version__gt=PARAMETERS.version)
OUTDATED = OF_ANOTHER_VERSION & Q(final=False)


def is_stale() -> Q:
    """Of reports: as of now, if it is asked soon."""
    return with_news() | OUTDATED


def is_current() -> Q:
    return ~NEWS & (Q(version=PARAMETERS.version) | Q(final=True))


def with_news() -> Q:
    """By their ids while they are few: the planner takes them for a third of all sessions."""
    news = Session.objects.filter(report_revision__lt=F("revision"))
    ids = list(news.values_list("pk", flat=True)[: FEW + 1])
    return Q(pk__in=ids) if len(ids) <= FEW else Q(NEWS)
