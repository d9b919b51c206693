"""How often events of each kind came, where there may be more kinds than are worth their room."""

from collections.abc import Iterator

# Of a row. Who names events by numbers or by what somebody typed has no kinds worth the name.
MOST_KINDS = 500
MOST_TEXT = 20_000

type Counts = dict[str, dict[str, int]]
# No event has an empty category: all the kinds that have no room are counted here, together.
OTHER = ""


class KindCounts:
    """By category and name: the first so many of them, and the rest as one."""

    def __init__(self, counts: Counts | None = None) -> None:
        """What was counted so is taken as it is."""
        self.counts: Counts = {c: dict(names) for c, names in (counts or {}).items()}
        self._kinds = sum(map(len, self.counts.values()))
        self._text = sum(len(c) + len(name) for c, name, _ in self)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        for category, names in self.counts.items():
            for name, count in names.items():
                yield category, name, count

    def add(self, category: str, name: str, count: int) -> None:
        names = self.counts.get(category)
        if names is None or name not in names:
            category, name = self._with_room(category, name)
            names = self.counts.setdefault(category, {})
        names[name] = names.get(name, 0) + count

    def merge(self, counts: Counts) -> None:
        for category, names in counts.items():
            for name, count in names.items():
                self.add(category, name, count)

    def _with_room(self, category: str, name: str) -> tuple[str, str]:
        text = len(category) + len(name)
        if self._kinds >= MOST_KINDS or self._text + text > MOST_TEXT:
            return OTHER, OTHER
        self._kinds += 1
        self._text += text
        return category, name
