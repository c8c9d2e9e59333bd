"""What is known of groups, where there are many."""

from collections.abc import Iterator, Mapping
from typing import Any

from coterie.runs.known import Known, named_by_values


class Counted(Mapping[str, dict[str, Any]]):
    """Groups that count how often all of them are looked through."""

    def __init__(self, count: int) -> None:
        self.looks = 0
        self._held = {f"cl_{number}": {"values": {"a": -number - 1}} for number in range(count)}

    def __iter__(self) -> Iterator[str]:
        self.looks += 1
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self._held[name]


def test_new_groups_get_numbers_without_a_look_through_all_for_each() -> None:
    known = Counted(5)
    found = [{"id": f"g{number}", "parent": None, "values": {"a": number}} for number in range(50)]
    names = named_by_values(found, Known(known, {}))
    assert list(names.values()) == [f"cl_{number}" for number in range(5, 55)]
    assert known.looks == 2  # for the values of before, and for the first free number
