"""Grouping 1,000,000 documents by attributes beside the same GROUP BY in plain SQL, on the same store in the same run.

Ours is the whole step `group` of a run: payloads read and taken apart, groups made, aggregates, rows and groups written
to the scratch folder. It knows afterwards which document is in which group; SQL only counts. What a run takes besides,
writing the memberships with a slice of each payload, is timed on its own.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert, select
from tests.postgres import start_postgres

from benchmarks.machine import describe
from coterie.api.context import Services, Tenant
from coterie.config import Settings
from coterie.runs.attributes import group_documents
from coterie.runs.found import RunFiles
from coterie.runs.plan import Plan
from coterie.runs.results import write_members, write_results
from coterie.store.db import Db
from coterie.store.dialects import driver_of
from coterie.store.tables import collections, namespaces
from coterie.wiring import open_services

ROUNDS = 3
BLOCK = 20_000
COLLECTION = "col_bench"
COLUMNS = "pk, id, namespace_id, collection_id, resource, vectors, created_at, updated_at"
CASES = {
    "one attribute": ["team"],
    "two attributes": ["team", "country"],
    "nested attribute": ["source.batch.day"],
    "array of three": ["tags"],
}


def payload(number: int, dice: random.Random) -> dict[str, Any]:
    """What teams keep with a document."""
    return {
        "title": f"title of the document number {number}",
        "team": f"team {dice.randrange(40)}",
        "country": f"country {dice.randrange(12)}",
        "tags": [f"tag-{tag}" for tag in dice.sample(range(200), 3)],
        "price": round(dice.random() * 100, 2),
        "source": {"batch": {"day": dice.randrange(300)}},
    }


def load(services: Services, total: int) -> Tenant:
    """The documents, straight into the store."""
    dice = random.Random(0)
    sqlite = services.db.engine.dialect.name == "sqlite"
    with services.db.write() as tx:
        namespace = tx.execute(select(namespaces)).first()
        assert namespace is not None
        made = {"id": COLLECTION, "namespace_id": namespace.id, "name": "bench", "resource": "{}", "search_text": ""}
        tx.execute(insert(collections).values(**made, document_count=total, created_at=""))
    now = "2026-01-01T00:00:00.000000Z"
    for start in range(0, total, BLOCK):
        rows = []
        for number in range(start, min(start + BLOCK, total)):
            identity = f"doc_{number:020}"
            shown = {"document_id": identity, "collection_id": COLLECTION, "metadata": payload(number, dice)}
            text = orjson.dumps({**shown, "created_at": now, "updated_at": now}).decode()
            rows.append((number + 1, identity, namespace.id, COLLECTION, text, "{}", now, now))
        with services.db.write() as tx:
            cursor = driver_of(tx).cursor()
            if sqlite:
                cursor.executemany(f"INSERT INTO documents ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                continue
            with cursor.copy(f"COPY documents ({COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    return Tenant(namespace.org_id, "bench", "", frozenset(), namespace.id, namespace.name)


def by_hand(attributes: list[str], sqlite: bool) -> str:
    """The GROUP BY that someone would write."""
    source = f"documents WHERE collection_id = '{COLLECTION}'"
    if attributes == ["tags"]:
        each = (
            "json_each(resource, '$.metadata.tags')"
            if sqlite
            else "json_array_elements_text(resource::json #> '{metadata,tags}') AS value"
        )
        return f"SELECT value, count(*) FROM documents, {each} WHERE collection_id = '{COLLECTION}' GROUP BY 1"
    fields = [
        f"json_extract(resource, '$.metadata.{path}')"
        if sqlite
        else f"resource::json #>> '{{metadata,{path.replace('.', ',')}}}'"
        for path in attributes
    ]
    numbers = ", ".join(str(number + 1) for number in range(len(fields)))
    return f"SELECT {', '.join(fields)}, count(*) FROM {source} GROUP BY {numbers}"


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = do()
    return time.perf_counter() - began, found


def select_all(db: Db, statement: str) -> list[Any]:
    with db.read() as tx:
        rows: list[Any] = driver_of(tx).cursor().execute(statement).fetchall()
        return rows


def run(services: Services, total: int) -> None:
    """Every case on one store; SQL and ours in turn."""
    tenant = load(services, total)
    sqlite = services.db.engine.dialect.name == "sqlite"
    if not sqlite:
        with services.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    plain = Plan([COLLECTION], "attribute", {}, [], [], False, False, None, {}, False)
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    print("| | groups | memberships | GROUP BY s | ours s | ratio | writing s |\n|---|---:|---:|---:|---:|---:|---:|")
    for name, attributes in CASES.items():
        plan = replace(plain, attributes=attributes)
        theirs, ours = [], []
        for _ in range(ROUNDS):
            seconds, counted = timed(lambda: select_all(services.db, by_hand(attributes, sqlite)))  # noqa: B023
            theirs.append(seconds)
            seconds, found = timed(lambda: group_documents(services, tenant, plan, folder))  # noqa: B023
            ours.append(seconds)
            if found["groups"] != len(counted):
                raise RuntimeError(f"{found['groups']} groups, and SQL has {len(counted)}")
        memberships = sum(row[-1] for row in counted)
        files = RunFiles("run_bench", None, "", folder, "bench/bench/engine_cluster_build/run_bench", lambda: None)
        writing, _ = timed(lambda: write(services, tenant, plan, files, found))  # noqa: B023
        by_sql, by_us = statistics.median(theirs), statistics.median(ours)
        print(
            f"| {name} | {len(counted):,} | {memberships:,} | {by_sql:.2f} | {by_us:.2f} | {by_us / by_sql:.2f} | "
            f"{writing:.1f} |",
            flush=True,
        )
    shutil.rmtree(folder)


def write(services: Services, tenant: Tenant, plan: Plan, files: RunFiles, found: dict[str, Any]) -> None:
    """Members, names and the files of the result."""
    write_members(services, tenant, plan, files)
    write_results(services, plan, files, {**found, "labeling": {"errors": [], "usage": None}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    given, _ = parser.parse_known_args()
    print(f"## Grouping {given.documents:,} documents by attributes\n\n{describe()}\n")
    folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
    try:
        if given.store != "postgresql":
            print("### SQLite\n")
            services, _ = open_services(Settings(data_dir=folder / "sqlite"))
            run(services, given.documents)
            services.db.close()
        if given.store != "sqlite":
            print("\n### PostgreSQL\n")
            with start_postgres("-c shared_buffers=1GB -c work_mem=64MB -c max_wal_size=8GB") as server:
                services, _ = open_services(Settings(data_dir=folder / "server", database_url=server.create()))
                run(services, given.documents)
                services.db.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
