"""Kinds of events are counted by their names as long as there is room for these."""

from tracking.kind_counts import MOST_KINDS, MOST_TEXT, OTHER, KindCounts


def test_it_counts_by_category_and_name() -> None:
    kinds = KindCounts({"page": {"view": 2}})
    kinds.add("page", "view", 1)
    kinds.add("page", "leave", 1)
    kinds.merge({"form": {"submit": 3}, "page": {"leave": 1}})
    assert kinds.counts == {"page": {"view": 3, "leave": 2}, "form": {"submit": 3}}


def test_what_it_begins_with_stays_as_it_was() -> None:
    earlier = {"page": {"view": 2}}
    KindCounts(earlier).add("page", "view", 1)
    assert earlier == {"page": {"view": 2}}


def test_so_many_kinds_have_room() -> None:
    kinds = KindCounts()
    for n in range(MOST_KINDS + 20):
        kinds.add("c", str(n), 2)
    kinds.add("c", "0", 1)
    assert kinds.counts["c"]["0"] == 3
    assert kinds.counts[OTHER] == {OTHER: 40}
    again = KindCounts(kinds.counts)
    again.merge(kinds.counts)
    assert again.counts[OTHER] == {OTHER: 80}
    assert sum(count for *_, count in again) == 2 * sum(count for *_, count in kinds)


def test_so_much_text_has_room() -> None:
    kinds = KindCounts()
    for n in range(MOST_TEXT // 400 + 1):
        kinds.add("c" * 200, f"{n:0200}", 1)
    assert kinds.counts[OTHER] == {OTHER: 1}
    kinds.add("short", "one", 1)
    assert kinds.counts[OTHER] == {OTHER: 2}
