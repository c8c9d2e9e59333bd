"""The history of a group's label: who changed it, when, from what to what."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from coterie.store.dialects import among
from coterie.store.tables import group_labels

AUTOMATIC = "automatic"
"""Who changes a label where a run does."""

KEPT = 1_000
"""Changes that are kept of a group; of more the oldest go."""


def write_changes(tx: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    """Write changes of labels of one definition down, and forget what is too old of these groups."""
    if not changes:
        return
    tx.execute(insert(group_labels), list(changes))
    cluster_id, again = changes[0]["cluster_id"], [each["group_id"] for each in changes if each["label_before"]]
    newest_first = func.row_number().over(partition_by=group_labels.c.group_id, order_by=group_labels.c.pk.desc())
    own = (group_labels.c.cluster_id == cluster_id) & among(tx, group_labels.c.group_id, again)
    ranked = select(group_labels.c.pk, newest_first.label("rank")).where(own).subquery()
    old = select(ranked.c.pk).where(ranked.c.rank > KEPT)
    tx.execute(delete(group_labels).where(group_labels.c.pk.in_(old)))


def change(
    group: Row[Any] | Mapping[str, Any],
    shown: Mapping[str, Any],
    *,
    before: str | None,
    run_id: str,
    now: str,
    by: tuple[str | None, str | None] = (None, None),
) -> dict[str, Any]:
    """A change to write: of which group (`namespace_id`, `cluster_id`, `group_id`), to what (`label`, `source`), from
    what, and `by` which key and user; by none where a run changed it."""
    key_id, user_id = by
    held = group if isinstance(group, Mapping) else {**group._mapping, "group_id": group.id}
    return {
        **{name: held[name] for name in ("namespace_id", "cluster_id", "group_id")},
        "run_id": run_id,
        "key_id": key_id,
        "user_id": user_id,
        "label_before": before,
        "label": shown["label"],
        "source": shown["source"],
        "created_at": now,
    }


def read_changes(
    tx: Connection, cluster_id: str, identity: str, limit: int, offset: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """A page of a group's changes, the newest first, and how many are kept."""
    own = (group_labels.c.cluster_id == cluster_id) & (group_labels.c.group_id == identity)
    total = tx.scalar(select(func.count()).select_from(group_labels).where(own)) or 0
    page = select(group_labels).where(own).order_by(group_labels.c.pk.desc()).limit(limit).offset(offset)
    return [_shown(row) for row in tx.execute(page)], total


def _shown(row: Row[Any]) -> dict[str, Any]:
    by = row.key_id or (AUTOMATIC if row.user_id is None else None)
    shared = {key: getattr(row, key) for key in ("label", "source", "run_id", "user_id", "created_at")}
    return {"by": by, "label_before": row.label_before, **shared}
