"""The numbers of a report as columns: in the list of reports, and in that of their sessions."""

from functools import cached_property
from typing import Any

from admin_ext import display, speed_lines
from admin_ext.display import Column
from reports.models import SessionReport

LINE = "speed_line"
# What no list shows of a report, and what is large.
LARGE = ("state", "by_category", "by_name")


def flags(report: SessionReport | None) -> Any:
    return display.plain(", ".join(report.flags)) if report and report.flags else display.EMPTY


class ReportColumns:
    """Of a list whose records have the report at `path`, "" where they are reports."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.line = display.column(self._line, LINE, "speed")
        self.flags = display.column(lambda row: flags(self.report(row)), "flags", "flags")
        self.duration = self.length("duration_ms", "duration")
        self.active = self.length("active_ms", "active")
        self.page_views = self.figure("page_views", "page views")
        self.submits = self.figure("submits", "submits")
        self.clicks = self.figure("clicks", "clicks")
        self.rage_bursts = self.figure("rage_bursts", "rage bursts")
        self.distance = self.figure("distance_px", "distance", "px")
        self.moving = self.length("moving_ms", "moving")
        self.mean_speed = self.figure("mean_speed", "mean speed", "px/s")
        self.p50 = self.figure("speed_p50", "p50 speed", "px/s")
        self.p95 = self.figure("speed_p95", "p95 speed", "px/s")
        self.peak = self.figure("peak_speed", "peak speed", "px/s")
        self.median_dt = self.figure("median_dt_ms", "median Δt", "ms", 1)
        self.samples = self.figure("samples", "samples")

    @cached_property
    def columns(self) -> list[Column]:
        return [column for column in vars(self).values() if callable(column)]

    def report(self, record: Any) -> SessionReport | None:
        found: SessionReport | None = display.value_of(record, self.path) if self.path else record
        return found

    def at(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field

    def order(self, field: str) -> str:
        return self.at(field).replace(".", "__")

    def figure(self, field: str, title: str, unit: str = "", digits: int = 0) -> Column:
        return display.figure(self.at(field), title, unit, digits, order=self.order(field))

    def length(self, field: str, title: str) -> Column:
        return display.length(self.at(field), title, order=self.order(field))

    def time(self, field: str, title: str) -> Column:
        return display.time(self.at(field), title, order=self.order(field))

    def prepare(self, records: list[Any], names: set[str]) -> None:
        """Draws the lines of all records of a page, if they are shown."""
        if LINE in names:
            reports = [report for record in records if (report := self.report(record))]
            lines = speed_lines.of_reports(reports)
            for report in reports:
                setattr(report, LINE, lines.get(report.pk, display.EMPTY))

    def _line(self, record: Any) -> Any:
        return getattr(self.report(record), LINE, display.EMPTY)
