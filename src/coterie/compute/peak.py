"""The most memory that this process has held since it last began to count."""

from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def restart_peak() -> None:
    """Count from now on, where the system can; else the peak is that of the process's whole life."""
    with suppress(OSError):
        _CLEAR.write_text("5")


def peak_bytes() -> int | None:
    """The peak; None where the system does not tell it."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("VmHWM:")), None)
    return None if found is None else int(found.split()[1]) * 1024
