"""All benchmarks, or those that are named: `python -m benchmarks [name …]`."""

import sys

from benchmarks import (
    attributes,
    console_map,
    embedding,
    engine,
    fields,
    growth,
    importing,
    jobs,
    listing,
    load,
    maps,
    naming,
    partitions,
    passes,
    pipelines,
    runs,
    sets,
    starting,
    storage,
    texts,
)

BENCHMARKS = {
    "sets": sets.main,
    "importing": importing.main,
    "listing": listing.main,
    "starting": starting.main,
    "fields": fields.main,
    "load": load.main,
    "engine": engine.main,
    "maps": maps.main,
    "partitions": partitions.main,
    "passes": passes.main,
    "growth": growth.main,
    "pipelines": pipelines.main,
    "runs": runs.main,
    "jobs": jobs.main,
    "attributes": attributes.main,
    "embedding": embedding.main,
    "naming": naming.main,
    "texts": texts.main,
    "console": console_map.main,
    "storage": storage.main,
}

for name in sys.argv[1:] or BENCHMARKS:
    BENCHMARKS[name]()
    print()
