"""All benchmarks, or those that are named: `python -m benchmarks [importing] [listing] [starting]`."""

import sys

from benchmarks import importing, listing, starting

BENCHMARKS = {"importing": importing.main, "listing": listing.main, "starting": starting.main}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
    print()
