"""A run by attributes: documents to groups of equal values, without vectors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection

from coterie.api.context import Services, Tenant
from coterie.documents import queries as documents
from coterie.engine.attributes import AttributeGroup, Column, TooManyGroups, aggregate, group_by
from coterie.jobs.job import JobFailed
from coterie.listing.values import values_at
from coterie.runs.loading import check_collections, nothing_matches, where_of
from coterie.runs.members import save_rows
from coterie.runs.plan import Plan

MISSING_ADVICE = "every document lacks the attribute: check its path (payload fields need no prefix)"
COARSER = "group by coarser attributes, or store the values in ranges"
HALF = 0.5
"""Of the documents; more groups than that are hardly groups."""

EVERY = "*"
"""What is counted where no field is named, as in SQL."""


def group_documents(services: Services, tenant: Tenant, plan: Plan, folder: Path) -> dict[str, Any]:
    """The collections' documents to `attribute_groups.json` and, its groups' rows one after the other,
    `attribute_rows.npy`. Raises JobFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    with services.db.read() as tx:
        check_collections(tx, tenant, plan.collection_ids)
        parts, columns = read_columns(tx, tenant, plan)
    total = sum(len(pks) for _, pks, _ in parts)
    if total == 0:
        raise JobFailed(
            nothing_matches(plan.collection_ids) if plan.filters else "the collections hold no documents: add some"
        )
    try:
        groups = group_by(plan.attributes, columns[: len(plan.attributes)], hierarchical=plan.hierarchical)
    except TooManyGroups as error:
        raise JobFailed(f"{error}; {COARSER}") from error
    save_rows(folder, parts)
    of_groups = aggregates(plan, columns, [group.rows for group in groups])
    shown = [
        {
            **{key: value for key, value in vars(group).items() if key != "rows"},
            "size": len(group.rows),
            "aggregates": own,
        }
        for group, own in zip(groups, of_groups, strict=True)
    ]
    (folder / "attribute_groups.json").write_bytes(orjson.dumps(shown))
    np.save(folder / "attribute_rows.npy", np.concatenate([group.rows for group in groups]))
    return {
        "documents": total,
        "without_vector": 0,
        "feature": ", ".join(plan.attributes),
        "groups": len(groups),
        "noise": 0,
        "sampled": total,
        "warnings": _warnings(groups, total),
        "metrics": {},
        "map": {},
        "changes": None,
        "aggregates": aggregates(plan, columns, [np.arange(total)])[0],
    }


def read_columns(tx: Connection, tenant: Tenant, plan: Plan) -> tuple[list[tuple[str, Any, list[str]]], list[Column]]:
    """Of each collection its id and the keys and ids of its documents that match, and the columns that the plan names:
    its attributes, then its aggregation's fields.
    One pass over the payloads: `docs/decisions/0010` says why the store does not take them apart."""
    columns = [Column() for _ in plan.attributes] + [Column(repeated=True) for _ in plan.aggregation_fields]
    paths = [*plan.attributes, *plan.aggregation_fields]
    readers = [(_reader(path), column.add) for path, column in zip(paths, columns, strict=True)]
    where = where_of(plan.filters)
    parts = []
    for collection_id in plan.collection_ids:
        pks, ids = [], []
        for pk, identity, metadata in documents.iterate_payloads(tx, tenant, collection_id, where):
            pks.append(pk)
            ids.append(identity)
            for value_of, add in readers:
                add(value_of(metadata))
        parts.append((collection_id, np.array(pks, np.int64), ids))
    return parts, columns


def aggregates(plan: Plan, columns: Sequence[Column], rows: Sequence[Any]) -> list[dict[str, float | None] | None]:
    """Of each group of rows what the plan's aggregation makes of each field; None without an aggregation."""
    if plan.aggregation_method is None:
        return [None] * len(rows)
    if not plan.aggregation_fields:
        return [{EVERY: len(own)} for own in rows]
    named = zip(plan.aggregation_fields, columns[len(plan.attributes) :], strict=True)
    found = {path: aggregate(plan.aggregation_method, column, rows) for path, column in named}
    return [{path: made[number] for path, made in found.items()} for number in range(len(rows))]


def _reader(path: str) -> Callable[[dict[str, Any]], Any]:
    """What gives a payload's value at a path, with or without `metadata.` before it: a list where the path
    goes through lists, None where there is nothing. What nested keys lead to comes before keys that hold dots."""
    short = path.removeprefix("metadata.")
    keys = short.split(".")

    def value_of(metadata: dict[str, Any]) -> Any:
        value: Any = metadata
        for key in keys:
            value = value.get(key) if type(value) is dict else None
        if value is not None or (len(keys) == 1 and short == path):
            return value
        found = values_at(metadata, short) or values_at(metadata, path)
        return found[0] if len(found) == 1 else found or None

    return value_of


def _warnings(groups: Sequence[AttributeGroup], total: int) -> list[str]:
    warnings = []
    if len(groups) == 1 and all(value is None for value in groups[0].values.values()):
        warnings.append(MISSING_ADVICE)
    leaves = len(groups) - len({group.parent for group in groups} - {None})
    if leaves > HALF * total and total > 1:
        warnings.append(
            f"{leaves:,} groups of {total:,} documents: the attributes tell almost every one apart; {COARSER}"
        )
    return warnings
