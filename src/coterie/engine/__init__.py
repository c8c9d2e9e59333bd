"""Clustering of arrays: no I/O, seeded, on every core. `cluster` and `suggest` with the parameters in `specs`;
`changes` and `agreement` lay one clustering beside another.

What is named here is loaded when it is asked for: the server reads the specs and shall not load the numerics.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coterie.engine.errors import EngineError

if TYPE_CHECKING:
    from coterie.engine.clustering import Clustering, cluster
    from coterie.engine.match import Changes, Grouping, agreement, changes
    from coterie.engine.sweep import Sweep, suggest

__all__ = [
    "Changes",
    "Clustering",
    "EngineError",
    "Grouping",
    "Sweep",
    "agreement",
    "changes",
    "cluster",
    "suggest",
]

_HOMES = {
    **dict.fromkeys(("Clustering", "cluster"), "clustering"),
    **dict.fromkeys(("Sweep", "suggest"), "sweep"),
    **dict.fromkeys(("Changes", "Grouping", "agreement", "changes"), "match"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
