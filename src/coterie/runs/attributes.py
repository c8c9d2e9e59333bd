"""A run by attributes: documents to groups of equal values, without vectors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection

from coterie.api.context import Services, Tenant
from coterie.documents import queries as documents
from coterie.engine.attributes import MAX_GROUPS, TooManyGroups, group_by
from coterie.jobs.job import JobFailed
from coterie.listing.values import values_at
from coterie.runs.loading import check_collections, nothing_matches, where_of
from coterie.runs.members import save_rows
from coterie.runs.plan import Plan

MISSING_ADVICE = "every document lacks the attribute: check its path (payload fields need no prefix)"


def group_documents(services: Services, tenant: Tenant, plan: Plan, folder: Path) -> dict[str, Any]:
    """The collections' documents to `attribute_groups.json`. Raises JobFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    where = where_of(plan.filters)
    with services.db.read() as tx:
        check_collections(tx, tenant, plan.collection_ids)
        parts = [(each, *documents.all_documents(tx, tenant, each, where)) for each in plan.collection_ids]
        pks = np.concatenate([part[1] for part in parts])
        if len(pks) == 0:
            empty = "the collections hold no documents: add some"
            raise JobFailed(empty if where is None else nothing_matches(plan.collection_ids))
        try:
            groups = group_by(plan.attributes, _values(tx, tenant, plan, pks), hierarchical=plan.hierarchical)
        except TooManyGroups as error:
            raise JobFailed(f"the attributes make more than {MAX_GROUPS} groups: choose coarser ones") from error
    save_rows(folder, parts)
    text = orjson.dumps([group.__dict__ for group in groups], default=list)
    (folder / "attribute_groups.json").write_bytes(text)
    only_missing = len(groups) == 1 and all(value is None for value in groups[0].values.values())
    return {
        "documents": len(pks),
        "without_vector": 0,
        "feature": ", ".join(plan.attributes),
        "groups": len(groups),
        "noise": 0,
        "sampled": len(pks),
        "warnings": [MISSING_ADVICE] if only_missing else [],
        "metrics": {},
        "map": {},
        "changes": None,
    }


def _values(tx: Connection, tenant: Tenant, plan: Plan, pks: Any) -> Iterator[list[Any]]:
    """Of each row the attributes' values; a row whose document went away meanwhile has none."""
    expected = 0
    for number, resource in documents.iterate_documents(tx, tenant, pks):
        for _ in range(expected, number):
            yield [None] * len(plan.attributes)
        expected = number + 1
        yield [_value(resource["metadata"], path) for path in plan.attributes]
    for _ in range(expected, len(pks)):
        yield [None] * len(plan.attributes)


def _value(metadata: dict[str, Any], path: str) -> Any:
    found = values_at(metadata, path) or values_at(metadata, path.removeprefix("metadata."))
    return found[0] if len(found) == 1 else found
