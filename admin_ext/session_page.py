"""What a session's page shows at once; its charts, replay, heatmap and timeline load by themselves."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django_celery_results.models import TaskResult

from admin_ext import display, queries, task_results
from admin_ext.report_words import Flag, Made, flags
from reports.models import WHY_FINAL, SessionReport
from tracking.models import Application, EventError, Session

ERRORS = 5
TASKS = 5
CATEGORIES = 10
# Where the page of an event will have its id.
SOME_EVENT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Fact:
    """A number of the report, under the name it has there and in the API."""

    name: str
    title: str
    unit: str = ""
    digits: int = 0
    value: float | None = None

    @property
    def shown(self) -> str:
        """What `session.js` writes in its place while the session is live; the two must agree."""
        if self.unit == "duration":
            return display.duration(self.value)
        return display.EMPTY if self.value is None else f"{self.value:,.{self.digits}f}"


HEADLINE = (
    Fact("distance_px", "Distance", "px"),
    Fact("speed_p95", "p95 speed", "px/s"),
    Fact("mean_speed", "Mean speed", "px/s"),
    Fact("peak_speed", "Peak speed", "px/s"),
    Fact("active_ms", "Active", "duration"),
    Fact("events", "Events"),
    Fact("errors", "Errors"),
    Fact("clicks", "Clicks"),
)
FACTS = (
    Fact("duration_ms", "Duration", "duration"),
    Fact("moving_ms", "Moving", "duration"),
    Fact("mean_speed_elapsed", "Mean speed over the span", "px/s"),
    Fact("speed_p50", "Median speed", "px/s"),
    Fact("acceleration_p95", "p95 acceleration", "px/s²"),
    Fact("median_dt_ms", "Median sampling interval", "ms", 1),
    Fact("samples", "Samples"),
    Fact("strokes", "Strokes"),
    Fact("gaps", "Gaps"),
    Fact("straightness", "Straightness", "", 2),
    Fact("turning_rad", "Turning", "rad", 1),
    Fact("flips_x", "Flips along x"),
    Fact("flips_y", "Flips along y"),
    Fact("rage_bursts", "Rage bursts"),
    Fact("page_views", "Page views"),
    Fact("submits", "Submits"),
)


@dataclass(frozen=True, slots=True)
class Category:
    """Foreign text, and how many events have it."""

    name: str
    count: int

    @property
    def shown(self) -> str:
        return display.visible(display.shorten(self.name, 40))


@dataclass(frozen=True, slots=True)
class Task:
    """A task that touched the session."""

    result: TaskResult

    @property
    def status(self) -> SafeString:
        return task_results.status(self.result)

    @property
    def link(self) -> SafeString | str:
        view, title = "django_celery_results_taskresult", task_results.title(self.result)
        return display.change_link(view, self.result.pk, title)

    @property
    def at(self) -> SafeString | str:
        return display.moment(display.value_of(self.result, "date_created"))

    @property
    def run_time(self) -> str:
        return task_results.run_time(self.result)


@dataclass(frozen=True, slots=True)
class SessionPage:
    session: Session
    report: SessionReport | None
    applications: list[Application]
    errors: list[EventError] | None
    tasks: list[Task] | None
    sees_report: bool
    sees_events: bool
    why_final: str = WHY_FINAL

    @property
    def live(self) -> bool:
        return queries.is_live(self.session)

    @property
    def headline(self) -> list[Fact]:
        counted = [fact for fact in HEADLINE if fact.name in {"events", "errors"}]
        return self._with_values(HEADLINE if self.sees_report else tuple(counted))

    @property
    def facts(self) -> list[Fact]:
        return self._with_values(FACTS)

    @property
    def flags(self) -> list[Flag]:
        return flags(self.report)

    @property
    def made(self) -> Made | None:
        return Made(self.report) if self.report else None

    @property
    def categories(self) -> list[Category]:
        counts: dict[str, int] = self.report.by_category if self.report else {}
        largest = sorted(counts.items(), key=lambda item: -item[1])[:CATEGORIES]
        return [Category(*item) for item in largest]

    @property
    def first_at(self) -> SafeString | str:
        return display.moment(self.session.first_at)

    @property
    def last_at(self) -> SafeString | str:
        return display.moment(self.session.last_at)

    @property
    def build(self) -> int:
        return self.report.build if self.report else 0

    @property
    def data_until(self) -> str:
        until = self.report.data_until if self.report else None
        return until.isoformat() if until else ""

    @property
    def links(self) -> dict[str, str]:
        query = {"session": str(self.session.pk)}
        return {
            "events": reverse("admin:tracking_event_changelist", query=query),
            "errors": reverse("admin:tracking_eventerror_changelist", query=query),
            "tasks": reverse("admin:django_celery_results_taskresult_changelist", query=query),
            "event": reverse("admin:tracking_event_change", args=[SOME_EVENT]),
            "timeline": reverse("session-events", args=[self.session.pk]),
            "trail": reverse("session-trail", args=[self.session.pk]),
            "heat": reverse("admin:tracking_session_heat", args=[self.session.pk]),
            "pointer": reverse("session-pointer", args=[self.session.pk]),
            "report": reverse("session-report", args=[self.session.pk]),
        }

    def _with_values(self, facts: tuple[Fact, ...]) -> list[Fact]:
        return [
            Fact(fact.name, fact.title, fact.unit, fact.digits, self._value(fact.name))
            for fact in facts
        ]

    def _value(self, name: str) -> float | None:
        # What no report has counted yet, the session has.
        ahead = {"events": self.session.total_events, "errors": self.session.error_count}
        return ahead[name] if name in ahead else getattr(self.report, name, None)


def find(id: UUID) -> Session | None:
    sessions = Session.objects.select_related("report").prefetch_related("applications")
    return sessions.defer("report__state", "report__by_name").filter(pk=id).first()


def latest_tasks(session_id: UUID) -> QuerySet[TaskResult]:
    results = TaskResult.objects.defer("result", "traceback", "task_kwargs")
    return task_results.of_session(results, session_id).order_by("-date_done")[:TASKS]


def page_of(session: Session, viewer: AbstractUser | AnonymousUser) -> SessionPage:
    """What the viewer may see of a session: None stands for what they may not."""
    sees_report = viewer.has_perm("reports.view_sessionreport")
    errors = EventError.objects.filter(session=session)
    sees_tasks = viewer.has_perm("django_celery_results.view_taskresult")
    return SessionPage(
        session,
        getattr(session, "report", None) if sees_report else None,
        list(session.applications.all()),
        list(errors[:ERRORS]) if viewer.has_perm("tracking.view_eventerror") else None,
        list(map(Task, latest_tasks(session.pk))) if sees_tasks else None,
        sees_report,
        viewer.has_perm("tracking.view_event"),
    )
