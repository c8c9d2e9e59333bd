"""All benchmarks, or those that are named: `python -m benchmarks [importing] [listing] [starting] [fields] [load]`."""

import sys

from benchmarks import fields, importing, listing, load, starting

BENCHMARKS = {
    "importing": importing.main,
    "listing": listing.main,
    "starting": starting.main,
    "fields": fields.main,
    "load": load.main,
}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
    print()
