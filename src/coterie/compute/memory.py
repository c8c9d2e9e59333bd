"""How much memory a worker may take."""

import os
from pathlib import Path

from coterie.config import MIB, Settings

SHARE = 0.8
"""Of what the machine or the container has, so much is for computing."""

_GROUP = Path("/sys/fs/cgroup/memory.max")


def usable_bytes() -> int:
    """SHARE of the machine's memory, or of the container's where that is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    if _GROUP.is_file() and (given := _GROUP.read_text().strip()).isdigit():
        limits.append(int(given))
    return int(SHARE * min(limits))


def usable(settings: Settings) -> int:
    """Bytes that a job of this worker may take."""
    whole = usable_bytes() if settings.memory_mib is None else settings.memory_mib * MIB
    return whole // settings.job_concurrency
