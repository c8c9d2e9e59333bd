"""What a definition knows of its groups: the ids that it gave, and what people said of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson
from sqlalchemy import Connection, select

from coterie.store.tables import groups

LIKE = 0.5
"""A group keeps its label in a run that finds it with at least this weight; one that changed more gets a new one."""


@dataclass(frozen=True)
class Known:
    """What a definition knows of its groups, by id: the JSON of each, and into which each merged one went."""

    resources: Mapping[str, dict[str, Any]]
    merged: Mapping[str, str]

    def kept_label(self, identity: str, weight: float) -> dict[str, Any]:
        """A group's label and its source, if it is to keep it: it is pinned, or much the same as it was."""
        each = self.resources.get(identity)
        if each is None or each["label"] is None or not (each["pinned"] or weight >= LIKE):
            return {}
        return {"label": each["label"], "source": each["label_source"]}

    def family(self, identity: str) -> str:
        """The group that a group was split off from, and that one's, and so on to the first."""
        while (source := self.resources.get(identity, {}).get("split_from")) is not None:
            identity = source
        return identity

    def splits(self) -> dict[str, str]:
        """Of the groups that were split off, from which."""
        return {name: source for name, each in self.resources.items() if (source := each.get("split_from"))}

    def is_pinned(self, identity: str) -> bool:
        """Whether a group's label stays whatever a run finds in it."""
        each = self.resources.get(identity)
        return each is not None and each["pinned"] and each["label"] is not None

    def given_labels(self) -> dict[str, str]:
        """The labels that people gave."""
        return {identity: each["label_given"] for identity, each in self.resources.items() if each["label_given"]}

    def free_number(self, prefix: str) -> int:
        """The first number that no group of a kind (`cl_`, `br_`) ever had."""
        numbers = (identity.removeprefix(prefix) for identity in self.resources if identity.startswith(prefix))
        return max((int(number) for number in numbers if number.isdigit()), default=-1) + 1


NOTHING_KNOWN = Known({}, {})


def given_out(prefix: str, names: Sequence[str | None], known: Known) -> list[str]:
    """The ids of groups: their names of before, and for new ones ids that were never given."""
    fresh = count(known.free_number(prefix))
    return [f"{prefix}{next(fresh)}" if name is None else name for name in names]


def named_by_values(found: Sequence[Mapping[str, Any]], known: Known) -> dict[str, str]:
    """For groups by attributes (`id`, `parent`, `values`; parents first) the ids that the same values had before, and
    new ones for new values."""
    before = {orjson.dumps(each["values"], option=orjson.OPT_SORT_KEYS): name for name, each in known.resources.items()}
    fresh: dict[str, Iterator[int]] = {}
    names: dict[str, str] = {}
    for each in found:
        prefix = "cl_" if each["parent"] is None else f"{names[each['parent']]}_sub_"
        name = before.get(orjson.dumps(each["values"], option=orjson.OPT_SORT_KEYS))
        if name is None:
            if prefix not in fresh:  # looks through all that is known: once a prefix, not once a group
                fresh[prefix] = count(known.free_number(prefix))
            name = f"{prefix}{next(fresh[prefix])}"
        names[each["id"]] = name
    return names


def known_groups(tx: Connection, cluster_id: str | None) -> Known:
    """All that a definition has had; nothing for a run without one."""
    if cluster_id is None:
        return NOTHING_KNOWN
    rows = tx.execute(select(groups).where(groups.c.cluster_id == cluster_id).order_by(groups.c.pk)).all()
    merged = {row.id: row.merged_into for row in rows if row.merged_into is not None}
    return Known({row.id: orjson.loads(row.resource) for row in rows}, merged)


def unheard_of(each: Mapping[str, Any], run_id: str, now: str) -> dict[str, Any]:
    """What is known of a group that a run sees for the first time."""
    return {
        "group_id": each["cluster_id"],
        "label": None,
        "label_source": None,
        "label_given": None,
        "pinned": False,
        "values": each["attribute_values"] and orjson.loads(each["attribute_values"]),
        "first_run_id": run_id,
        "first_seen_at": now,
    }
