"""What a report says of itself, in words: its flags, and what it was made of and how."""

from dataclasses import dataclass

from django.utils.safestring import SafeString

from admin_ext import display
from reports.models import WHY_FINAL, SessionReport
from reports.parameters import PARAMETERS

FLAGS = {
    "coarse": f"More than half of the samples are further apart than {PARAMETERS.coarse_ms} ms: speeds "
    "are means over long steps, and no acceleration is told.",
    "teleports": f"The pointer was faster than {PARAMETERS.teleport_speed:,} px/s at least once, which "
    "no hand is: a touch elsewhere, a jump by software, or samples that are missing.",
    "clock_skew": "The clock of who sent the events is off by more than "
    f"{PARAMETERS.skew_ms // 1_000} s: times are told as they were sent.",
    "capped": "The session is longer than what is measured: its first "
    f"{PARAMETERS.max_samples:,} samples, {PARAMETERS.max_seconds:,} seconds with movement and "
    f"{PARAMETERS.max_minutes:,} minutes with events. The later ones are not in these numbers.",
}
UNKNOWN = "An earlier version of the algorithm raised this."


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    why: str


def flags(report: SessionReport | None) -> list[Flag]:
    return [Flag(name, FLAGS.get(name, UNKNOWN)) for name in report.flags] if report else []


@dataclass(frozen=True, slots=True)
class Made:
    """How a report came to be."""

    report: SessionReport

    @property
    def algorithm(self) -> str:
        version = self.report.version
        if version == PARAMETERS.version:
            return f"{version}, the current one"
        return f"{version}; the current one is {PARAMETERS.version}"

    @property
    def computed_at(self) -> SafeString | str:
        return display.moment(self.report.computed_at)

    @property
    def state(self) -> SafeString:
        """The same words as in `session.js`."""
        if self.report.final:
            return display.badge("final", "info")
        if self.report.stale:
            return display.badge("stale", "warning")
        return display.badge("up to date", "success")

    @property
    def why(self) -> str:
        """What follows from the state, where anything does."""
        if self.report.final:
            return WHY_FINAL
        if self.report.session.stale:
            return "The session has news since. A worker builds the report again by itself."
        if self.report.stale:
            return "Reports are made in another way now. Recompute it, or rebuild all that are outdated."
        return ""
