"""Regular expressions in RE2: searching takes time linear in the text, whatever the pattern.

Python's own `re` backtracks, so a pattern from a request never reaches it.
"""

from functools import lru_cache
from typing import Any

import re2

MAX_PATTERN = 256
"""Characters of a pattern."""

_MAX_MEMORY = 1 << 20
"""Bytes that one compiled pattern and its automaton may take; repetitions that need more are refused at once.
"""


class BadPattern(ValueError):
    """The pattern is not RE2 syntax or compiles too large; the message is RE2's reason."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, case_sensitive: bool) -> Any:
    """The compiled pattern, whose `search(text)` finds it anywhere. Raises BadPattern with RE2's reason."""
    options = re2.Options()
    options.case_sensitive = case_sensitive
    options.max_mem = _MAX_MEMORY
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


def found(pattern: str, case_sensitive: bool, text: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return compile_pattern(pattern, case_sensitive).search(text) is not None
