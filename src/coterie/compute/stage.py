"""The call of a stage by its name, on whichever machine."""

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from coterie.compute.executor import StageError

log = logging.getLogger("coterie.compute")

Report = Callable[[float], None]


def call(stage: str, report: Report, arguments: Mapping[str, Any]) -> Any:
    """The stage's result. Whatever it raises comes as a StageError that is fit for the user."""
    module, _, name = stage.partition(":")
    function = getattr(importlib.import_module(module), name)
    try:
        return function(report, **arguments)
    except StageError:
        raise
    except MemoryError as error:
        message = "not enough memory for this computation: set a sample_size"
        raise StageError("out_of_memory", message) from error
    except Exception as error:
        log.exception("stage %s failed", stage)
        message = f"the computation failed ({type(error).__name__}); the worker's log says more"
        raise StageError("internal", message) from error


def call_for_part(stage: str, part: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The same for one part of many, with one BLAS thread: the last bit of a product may depend on how many there are,
    and a part's result shall not depend on where it is computed."""
    with threadpool_limits(1, "blas"):
        return call(stage, _unheard, {**arguments, **part})


def _unheard(share: float) -> None:
    """Progress over parts is told by how many are done."""
