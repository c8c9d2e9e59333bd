"""A document's fields as paths: written one by one, so that each can be taken back.

A path leads through a tree of what a write-back may touch: `("metadata", "topic", "label")` or
`("clusters", clustering_id)`, the document's entry of `enrichments.clusters` for a clustering.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
Tree = dict[str, dict[str, Any]]


class Blocked(ValueError):
    """A path leads through something that is no object."""


@dataclass(frozen=True)
class Change:
    """What was written at a path, and what had been there: so many of its parts, and `before` if all of them were."""

    path: Path
    there: int
    before: Any
    wrote: Any


def tree_of(document: Mapping[str, Any]) -> Tree:
    """What a write-back may touch of a document."""
    entries = (document["enrichments"] or {"clusters": []})["clusters"]
    return {
        "metadata": document["metadata"],
        "clusters": {entry["features"]["clustering_id"]: entry for entry in entries},
    }


def with_tree(document: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    """The document as its tree says."""
    entries = list(tree["clusters"].values())
    enrichments = {"clusters": entries, "taxonomies": []} if entries else None
    return {**document, "metadata": tree["metadata"], "enrichments": enrichments}


def write(tree: Tree, values: Sequence[tuple[Path, Any]]) -> list[Change]:
    """Write what is not there yet; what was changed. Raises Blocked, and the tree is then half written."""
    changes = []
    for path, value in values:
        there, before = _look(tree, path)
        if there < len(path) or before != value:
            _put(tree, path, value)
            changes.append(Change(path, there, before, value))
    return changes


def follow(earlier: Sequence[Change], later: Sequence[Change]) -> list[Change]:
    """Both as one: of a path that was written twice, what was there first and what was written last."""
    merged = {change.path: change for change in earlier}
    for change in later:
        first = merged.get(change.path, change)
        merged[change.path] = Change(change.path, first.there, first.before, change.wrote)
    return list(merged.values())


def take_back(tree: Tree, changes: Sequence[Change]) -> int:
    """Restore what was there wherever the path still holds what was written; of how many changes that was so."""
    taken = 0
    for change in reversed(changes):
        there, held = _look(tree, change.path)
        if there < len(change.path) or held != change.wrote:
            continue
        taken += 1
        if change.there == len(change.path):
            _put(tree, change.path, change.before)
        else:
            _remove(tree, change.path, change.there)
    return taken


def _look(tree: Tree, path: Path) -> tuple[int, Any]:
    """How many of the path's parts are there, and what the whole path holds."""
    held: Any = tree
    for number, part in enumerate(path):
        if not isinstance(held, dict) or part not in held:
            return number, None
        held = held[part]
    return len(path), held


def _put(tree: Tree, path: Path, value: Any) -> None:
    held: Any = tree
    for part in path[:-1]:
        held = held.setdefault(part, {})
        if not isinstance(held, dict):
            raise Blocked
    held[path[-1]] = value


def _remove(tree: Tree, path: Path, there: int) -> None:
    """Remove a path's last part, and the objects above it that are empty then, down to those that had been there."""
    above: list[dict[str, Any]] = [tree]
    for part in path[:-1]:
        above.append(above[-1][part])
    del above[-1][path[-1]]
    for level in range(len(path) - 1, there, -1):
        if above[level]:
            break
        del above[level - 1][path[level - 1]]
