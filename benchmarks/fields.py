"""Lists over a million definitions: each query beside the best SQL written by hand for it, on the same store.

One namespace holds half of the definitions, 499 others the rest. The rival has a narrow table with a typed column for
every field that is asked for, an index made for each query (composite where the query has several conditions, trigrams
for parts of strings), and fetches the page's resources by key, as Coterie does. Both sides count exactly, within one
snapshot. Coterie's time is that of the whole of `run_list` after parsing: planning, SQL, rows; the rival's is that of
its three statements on the driver. It is processor time, which other work on the machine does not lengthen: that of the
calling thread, in which SQLite does all of its work, and with it that of PostgreSQL's process for the connection, which
therefore has no helpers here.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert, text
from tests.postgres import start_postgres

from benchmarks.machine import describe
from coterie.clusters.queries import INDEX, PROFILE, SOURCE
from coterie.clusters.service import INDEX_RULES
from coterie.kit.clock import iso
from coterie.kit.ids import ordered_id
from coterie.listing.answer import run_list
from coterie.listing.fields import FieldRow, all_strings, rows_for, search_text
from coterie.listing.syntax import parse_list
from coterie.listing.terms import terms_of
from coterie.store.db import Db
from coterie.store.dialects import driver_of
from coterie.store.schema import migrate
from coterie.store.tables import (
    cluster_counts,
    cluster_fields,
    cluster_terms,
    cluster_texts,
    clusters,
    namespaces,
    organizations,
    paths,
    settings,
)

LARGE, SMALL = "ns_large", "ns_0001"
ROUNDS = 9
BLOCK = 5_000
_NAMES = """amber basil cedar delta ember fjord glade haven inlet jumbo karma lemon mango noble ocean pearl quartz raven
    sable tulip umber vivid willow xenon yield zephyr"""
WORDS = _NAMES.split()
TEAMS = [f"team {word}" for word in WORDS]
STATUS = ["COMPLETED"] * 7 + ["PENDING"] * 2 + ["FAILED"]


def resource(number: int, namespace: str, dice: random.Random) -> dict[str, Any]:
    """A definition as the service makes them, with metadata that teams have."""
    created = iso_of(number)
    status = dice.choice(STATUS)
    done = status == "COMPLETED"
    metadata: dict[str, Any] = {
        "team": dice.choice(TEAMS),
        "priority": dice.randrange(5),
        "score": round(dice.random() * 1000, 3),
        "tags": [f"tag-{dice.randrange(200)}" for _ in range(2)],
        "source": {"batch": {"day": dice.randrange(5000), "final": dice.random() < 0.3}},
    }
    if dice.random() < 0.02:
        metadata["reviewed_by"] = dice.choice(WORDS)
    collection = f"col_{dice.randrange(300):020}"
    return {
        "cluster_id": ordered_id("clust", created),
        "cluster_name": f"{dice.choice(WORDS)} {dice.choice(WORDS)} {number:07}",
        "cluster_type": "vector",
        "collection_ids": [collection],
        "input_collections": [collection],
        "vector_config": {
            "feature_extractor_name": "bring_your_own",
            "clustering_method": "hdbscan",
            "hdbscan_parameters": {"min_cluster_size": dice.randrange(2, 60)},
        },
        "attribute_config": None,
        "llm_labeling": {"enabled": False},
        "description": " ".join(dice.choice(WORDS) + str(dice.randrange(100)) for _ in range(4)),
        "metadata": metadata,
        "namespace_id": namespace,
        "status": status,
        "task_id": None,
        "last_run_id": None,
        "last_executed_at": created if done else None,
        "num_clusters": dice.randrange(2, 80) if done else None,
        "num_documents_clustered": dice.randrange(100, 100_000) if done else None,
        "cluster_stats": {"noise_points": dice.randrange(100), "silhouette_score": round(dice.random(), 4)}
        if done
        else None,
        "parquet_path": None,
        "members_key": None,
        "error": None,
        "llm_labeling_errors": None,
        "created_at": created,
        "updated_at": created,
    }


def iso_of(number: int) -> str:
    """Moments 13 seconds apart."""
    return iso(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=13 * number, microseconds=number % 1000))


def generate(total: int) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Blocks of (row id, resource); every second one is the large namespace's."""
    dice = random.Random(0)
    block: list[tuple[int, dict[str, Any]]] = []
    for number in range(total):
        namespace = LARGE if number % 2 else f"ns_{number // 2 % 499:04}"
        block.append((number + 1, resource(number, namespace, dice)))
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


# -- loading --------------------------------------------------------------------------------------------------------

INDEXED = (clusters, cluster_fields, cluster_terms, cluster_texts)
RIVAL = """CREATE TABLE rival (pk INTEGER PRIMARY KEY, ns {text}, name {text}, name_reversed {text}, description {text},
    status {text}, team {text}, priority INTEGER, score DOUBLE PRECISION, day INTEGER, final INTEGER,
    reviewed_by {text}, silhouette DOUBLE PRECISION, size INTEGER, created {text}, search {text})"""
RIVAL_TAGS = "CREATE TABLE rival_tags (ns {text}, tag {text}, pk INTEGER)"
RIVAL_INDEXES = """ns, pk|ns, status, pk|ns, team, pk|ns, score, pk|ns, day, pk|ns, name, pk|ns, name_reversed, pk|
    ns, reviewed_by, pk|ns, final, pk|ns, status, team, pk|ns, priority, score, pk|ns, silhouette, pk|ns, created, pk|
    ns, team, score, pk|ns, size, pk|ns, priority, pk"""


class Loader:
    """Writes the definitions, their index and the rival's tables without a look back, then makes the indexes."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.sqlite = db.engine.dialect.name == "sqlite"
        self.path_ids: dict[tuple[str, str], int] = {}
        self.multiple: set[int] = set()
        self.counts: dict[tuple[str, str], list[int]] = {}

    def load(self, total: int) -> None:
        migrate(self.db)
        with self.db.write() as tx:
            for table in INDEXED:
                for index in table.indexes:
                    if index._ddl_if is None or not self.sqlite:
                        index.drop(tx, checkfirst=True)
            kind = {"text": "TEXT" if self.sqlite else 'TEXT COLLATE "C"'}
            tx.execute(text(RIVAL.format(**kind)))
            tx.execute(text(RIVAL_TAGS.format(**kind)))
            tx.execute(
                insert(organizations).values(id="org", internal_id="int", name="o", metadata="{}", created_at="")
            )
            for identity in [LARGE, *(f"ns_{number:04}" for number in range(499))]:
                row = {"id": identity, "org_id": "org", "name": identity, "resource": "{}", "search_text": ""}
                tx.execute(insert(namespaces).values(**row, created_at="", deleting=False))
        for block in generate(total):
            self.write(block)
        with self.db.write() as tx:
            scopes = {number: key for key, number in self.path_ids.items()}
            rows = [
                {
                    "id": number,
                    "scope": scope,
                    "path": path,
                    "multiple": number in self.multiple,
                    "long": False,
                    "ready": True,
                }
                for number, (scope, path) in scopes.items()
            ]
            tx.execute(insert(paths), rows)
            tx.execute(
                insert(cluster_counts),
                [
                    {"namespace_id": scope, "status": status, "definitions": n, "documents": d}
                    for (scope, status), (n, d) in self.counts.items()
                ],
            )
            tx.execute(insert(settings).values(name="field_index", value=INDEX_RULES))

    def index(self) -> None:
        """Coterie's indexes."""
        with self.db.write() as tx:
            for table in INDEXED:
                for index in table.indexes:
                    index.create(tx, checkfirst=True)
            if self.sqlite:
                tx.execute(
                    text("INSERT INTO cluster_trigrams(rowid, strings) SELECT row_id, strings FROM cluster_texts")
                )
                tx.execute(text("INSERT INTO cluster_postings(rowid, terms) SELECT row_id, terms FROM cluster_terms"))

    def index_rival(self) -> None:
        """The rival's."""
        with self.db.write() as tx:
            for number, columns in enumerate(RIVAL_INDEXES.split("|")):
                tx.execute(text(f"CREATE INDEX rival_{number} ON rival ({columns})"))
            tx.execute(text("CREATE INDEX rival_tag ON rival_tags (ns, tag, pk)"))
            for column in ("name", "description", "search"):
                if self.sqlite:
                    by = "unicode61" if column == "description" else "trigram case_sensitive 1"
                    kept = f"content='rival', content_rowid='pk', tokenize='{by}'"
                    tx.execute(text(f"CREATE VIRTUAL TABLE rival_{column} USING fts5({column}, {kept})"))
                    tx.execute(text(f"INSERT INTO rival_{column}(rival_{column}) VALUES ('rebuild')"))
                elif column == "description":
                    tx.execute(text("CREATE INDEX rival_words ON rival USING gin (to_tsvector('simple', description))"))
                else:
                    tx.execute(text(f"CREATE INDEX rival_{column}_trigrams ON rival USING gin ({column} gin_trgm_ops)"))
        if not self.sqlite:
            with self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")

    def write(self, block: list[tuple[int, dict[str, Any]]]) -> None:
        own, fields, terms, texts, rival, tags = [], [], [], [], [], []
        for pk, row in block:
            scope = row["namespace_id"]
            seen: set[int] = set()
            leaves, here = list(rows_for(row, PROFILE)), {}
            for leaf in leaves:
                number = self.path_ids.setdefault((scope, leaf.path), len(self.path_ids) + 1)
                here[leaf.path] = number
                if number in seen:
                    self.multiple.add(number)
                seen.add(number)
                value = int(leaf.num) if leaf.type == "b" and leaf.num is not None else leaf.num
                fields.append((pk, number, leaf.type, leaf.element, value, *leaf[4:]))
            found = terms_of(leaves, {path: number for path, number in here.items() if path not in INDEX.untexted})
            terms.append((pk, " ".join(found) if self.sqlite else found))
            search = search_text([row["cluster_name"], row["cluster_id"], row["description"], *row["collection_ids"]])
            texts.append((scope, pk, search, f"{search}\n{all_strings(row, INDEX.untexted)}"))
            count = self.counts.setdefault((scope, row["status"]), [0, 0])
            count[0] += 1
            count[1] += row["num_documents_clustered"] or 0
            shown = orjson.dumps(row).decode()
            own.append(
                (
                    pk,
                    row["cluster_id"],
                    scope,
                    row["cluster_name"],
                    shown,
                    "",
                    row["status"],
                    None,
                    row["num_documents_clustered"] or 0,
                    row["created_at"],
                )
            )
            data, stats = row["metadata"], row["cluster_stats"] or {}
            rival.append(
                (
                    pk,
                    scope,
                    row["cluster_name"],
                    row["cluster_name"][::-1],
                    row["description"],
                    row["status"].lower(),
                    data["team"],
                    data["priority"],
                    data["score"],
                    data["source"]["batch"]["day"],
                    int(data["source"]["batch"]["final"]),
                    data.get("reviewed_by"),
                    stats.get("silhouette_score"),
                    row["vector_config"]["hdbscan_parameters"]["min_cluster_size"],
                    row["created_at"],
                    search,
                )
            )
            tags += [(scope, tag, pk) for tag in set(data["tags"])]
        columns = "pk, id, namespace_id, name, resource, run_text, status, last_run_id, num_documents, created_at"
        with self.db.write() as tx:
            self.copy(tx, f"clusters ({columns})", own)
            self.copy(tx, f"cluster_fields (row_id, path_id, {', '.join(FieldRow._fields[1:])})", fields)
            self.copy(tx, "cluster_terms (row_id, terms)", terms)
            self.copy(tx, "cluster_texts (namespace_id, row_id, search, strings)", texts)
            self.copy(tx, "rival", rival)
            self.copy(tx, "rival_tags", tags)

    def copy(self, tx: Any, into: str, rows: list[tuple[Any, ...]]) -> None:
        cursor = driver_of(tx).cursor()
        if self.sqlite:
            cursor.executemany(f"INSERT INTO {into} VALUES ({','.join('?' * len(rows[0]))})", rows)
            return
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


# -- queries --------------------------------------------------------------------------------------------------------

WHERE = "FROM rival WHERE ns = :ns"
Query = tuple[str, dict[str, Any], str, str]


def queries(sqlite: bool) -> list[Query]:
    """Name, request, and the rival's condition and order, after `ns = :ns`."""

    def trigram(column: str, part: str) -> str:
        if sqlite:
            return f"AND pk IN (SELECT rowid FROM rival_{column} WHERE rival_{column} MATCH '\"{part}\"')"
        return f"AND {column} LIKE '%{part}%'"

    def words(*wanted: str) -> str:
        if sqlite:
            found = f"SELECT rowid FROM rival_description WHERE rival_description MATCH '{' AND '.join(wanted)}'"
            return f"AND pk IN ({found})"
        return f"AND to_tsvector('simple', description) @@ to_tsquery('simple', '{' & '.join(wanted)}')"

    newest = "ORDER BY pk DESC"
    condition = lambda field, operator, value: {"field": field, "operator": operator, "value": value}  # noqa: E731
    tagged = "AND pk IN (SELECT pk FROM rival_tags WHERE ns = :ns AND tag = 'tag-17')"
    return [
        ("newest", {}, "", newest),
        ("newest, offset 400,000", {"offset": 400_000}, "", newest),
        ("eq, one in 26", {"filters": {"metadata.team": "Team Pearl"}}, "AND team = 'team pearl'", newest),
        ("eq, seven in ten", {"filters": {"status": "completed"}}, "AND status = 'completed'", newest),
        (
            "eq, seven in ten, offset 300,000",
            {"filters": {"status": "completed"}, "offset": 300_000},
            "AND status = 'completed'",
            newest,
        ),
        ("eq, deep number", {"filters": {"metadata.source.batch.day": 77}}, "AND day = 77", newest),
        ("eq, deep boolean", {"filters": {"metadata.source.batch.final": True}}, "AND final = 1", newest),
        (
            "in, three values",
            {"filters": {"AND": [condition("metadata.team", "in", ["team pearl", "team raven", "team tulip"])]}},
            "AND team IN ('team pearl', 'team raven', 'team tulip')",
            newest,
        ),
        (
            "range, one in a thousand",
            {"filters": {"AND": [condition("metadata.score", "gte", 500), condition("metadata.score", "lt", 501)]}},
            "AND score >= 500 AND score < 501",
            newest,
        ),
        ("range, one half", {"filters": {"AND": condition("metadata.score", "gt", 500)}}, "AND score > 500", newest),
        (
            "range of instants",
            {"filters": {"AND": condition("created_at", "gte", iso_of(990_000))}},
            f"AND created >= '{iso_of(990_000)}'",
            newest,
        ),
        ("array element", {"filters": {"metadata.tags": "tag-17"}}, tagged, newest),
        (
            "prefix",
            {"filters": {"AND": condition("name", "starts_with", "quartz raven 01")}},
            "AND name >= 'quartz raven 01' AND name < 'quartz raven 02'",
            newest,
        ),
        (
            "suffix",
            {"filters": {"AND": condition("name", "ends_with", "34567")}},
            "AND name_reversed >= '76543' AND name_reversed < '76544'",
            newest,
        ),
        (
            "contains, rare",
            {"filters": {"AND": condition("name", "contains", "tz raven 012")}},
            trigram("name", "tz raven 012"),
            newest,
        ),
        (
            "contains, one in 13",
            {"filters": {"AND": condition("name", "contains", "quartz")}},
            trigram("name", "quartz"),
            newest,
        ),
        (
            "text, two words",
            {"filters": {"AND": condition("description", "text", "pearl17 raven3")}},
            words("pearl17", "raven3"),
            newest,
        ),
        (
            "exists, one in fifty",
            {"filters": {"AND": condition("metadata.reviewed_by", "exists", True)}},
            "AND reviewed_by IS NOT NULL",
            newest,
        ),
        (
            "is_null, most",
            {"filters": {"AND": condition("metadata.reviewed_by", "is_null", True)}},
            "AND reviewed_by IS NULL",
            newest,
        ),
        (
            "nin",
            {"filters": {"AND": condition("metadata.team", "nin", ["team pearl", "team raven"])}},
            "AND team NOT IN ('team pearl', 'team raven')",
            newest,
        ),
        (
            "AND of two",
            {"filters": {"status": "failed", "metadata.team": "team pearl"}},
            "AND status = 'failed' AND team = 'team pearl'",
            newest,
        ),
        (
            "AND, number and range",
            {"filters": {"AND": [condition("metadata.priority", "eq", 3), condition("metadata.score", "gt", 990)]}},
            "AND priority = 3 AND score > 990",
            newest,
        ),
        (
            "OR of two",
            {
                "filters": {
                    "OR": [condition("metadata.source.batch.day", "eq", 7), condition("metadata.score", "gt", 999)]
                }
            },
            "AND (day = 7 OR score > 999)",
            newest,
        ),
        (
            "nested AND, OR, NOT",
            {
                "filters": {
                    "AND": [
                        {
                            "OR": [
                                condition("metadata.source.batch.day", "eq", 7),
                                condition("metadata.source.batch.day", "eq", 8),
                            ]
                        }
                    ],
                    "NOT": [condition("status", "eq", "failed")],
                }
            },
            "AND day IN (7, 8) AND NOT status = 'failed'",
            newest,
        ),
        (
            "sort by a deep number",
            {"sort": {"field": "cluster_stats.silhouette_score"}},
            "",
            "ORDER BY silhouette IS NULL, silhouette, pk",
        ),
        (
            "sort by a deep number, offset 100,000",
            {"sort": {"field": "metadata.score", "direction": "desc"}, "offset": 100_000},
            "",
            "ORDER BY score DESC, pk",
        ),
        ("sort by name", {"sort": {"field": "name"}}, "", "ORDER BY name, pk"),
        (
            "filter and sort",
            {"filters": {"metadata.team": "team pearl"}, "sort": {"field": "metadata.score"}},
            "AND team = 'team pearl'",
            "ORDER BY score, pk",
        ),
        (
            "search, rare part",
            {"search": "VEN 01234"},
            trigram("search", "ven") + " " + trigram("search", "01234"),
            newest,
        ),
        (
            "search, two words",
            {"search": "pearl17 quartz"},
            trigram("search", "pearl17") + " " + trigram("search", "quartz"),
            newest,
        ),
    ]


def report(db: Db) -> None:
    """Every query, both ways, in alternation."""
    sqlite = db.engine.dialect.name == "sqlite"
    print("| query | matches | Coterie ms | by hand ms | ratio |\n|---|---:|---:|---:|---:|")
    ratios = []
    for name, body, where, order in queries(sqlite):
        query = parse_list({"limit": 20, **body}, profile=PROFILE)
        found, matches = timed(db, partial(ours, db, query, LARGE))
        rival, expected = timed(db, partial(by_hand, db, where, order, query.limit, query.offset))
        assert matches == expected, (name, matches, expected)
        ratios.append(found / rival)
        print(
            f"| {name} | {matches[0]:,} | {found * 1000:.2f} | {rival * 1000:.2f} | {found / rival:.2f} |", flush=True
        )
    within = sum(ratio <= 3 for ratio in ratios)
    print(f"\n{within} of {len(ratios)} within 3 times; median ratio {statistics.median(ratios):.2f}\n")


def small_queries() -> list[Any]:
    bodies = [
        {},
        {"filters": {"metadata.team": "team pearl"}},
        {"search": "quartz"},
        {"sort": {"field": "metadata.score"}},
    ]
    return [parse_list({"limit": 20, **body}, profile=PROFILE) for body in bodies]


def ours(db: Db, query: Any, namespace: str) -> tuple[int, list[str]]:
    with db.read() as tx:
        listed = run_list(tx, query, SOURCE, {"namespace_id": namespace})
    return listed.total, [row[:60] for row in listed.results]


def by_hand(db: Db, where: str, order: str, limit: int, offset: int) -> tuple[int, list[str]]:
    with db.read() as tx:
        cursor = driver_of(tx).cursor()
        clause = f"FROM rival WHERE ns = '{LARGE}' {where.replace(':ns', repr(LARGE))}"
        if where:
            total = cursor.execute(f"SELECT count(*) {clause}").fetchone()[0]
        else:
            total = cursor.execute(
                f"SELECT sum(definitions) FROM cluster_counts WHERE namespace_id = '{LARGE}'"
            ).fetchone()[0]
        pks = [row[0] for row in cursor.execute(f"SELECT pk {clause} {order} LIMIT {limit} OFFSET {offset}").fetchall()]
        listed = ",".join(map(str, pks)) or "0"
        texts = dict(cursor.execute(f"SELECT pk, resource FROM clusters WHERE pk IN ({listed})").fetchall())
    return total, [texts[pk][:60] for pk in pks]


def clock_of(db: Db) -> Callable[[], float]:
    """Processor seconds of this thread and of the server's process at the other end."""
    if db.engine.dialect.name == "sqlite":
        return time.thread_time
    with db.read() as tx:
        spent = Path(f"/proc/{tx.scalar(text('SELECT pg_backend_pid()'))}/schedstat")
    return lambda: time.thread_time() + int(spent.read_text().split()[0]) / 1e9


def timed(db: Db, do: Callable[[], Any]) -> tuple[float, Any]:
    """Median seconds of some rounds, fewer where they are long, and the result."""
    clock = clock_of(db)
    result, spent = do(), []
    while len(spent) < ROUNDS and sum(spent) < 5:
        began = clock()
        do()
        spent.append(clock() - began)
    return statistics.median(spent), result


def run(location: Path | str, alone: Path | str, total: int) -> None:
    """Everything on one store: `location` for all definitions, `alone` for a namespace of a thousand by itself."""
    db = Db(location)
    loader = Loader(db)
    began = time.perf_counter()
    loader.load(total)
    loader.index()
    print(f"loaded and indexed in {time.perf_counter() - began:.0f} s: {len(loader.path_ids):,} paths", flush=True)
    loader.index_rival()
    db.close()  # SQLite then brings its log into the file: a reader would look every page up in it
    db = Db(location)
    sizes(db)
    report(db)
    report_small(db, alone)
    db.close()


def report_small(db: Db, alone: Path | str) -> None:
    """A namespace of about 1,000 in the large store, beside one in a store of 2,000."""
    little = Db(alone)
    loader = Loader(little)
    loader.load(2_000)
    loader.index()
    ratios = []
    for query in small_queries():
        among_many = timed(db, partial(ours, db, query, SMALL))[0]
        ratios.append(among_many / timed(little, partial(ours, little, query, LARGE))[0])
    print("a namespace of 1,000 among all, beside one alone: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    little.close()


def sizes(db: Db) -> None:
    """What the index takes on disk."""
    if isinstance(db.location, Path):
        print(f"the whole store: {db.location.stat().st_size / 2**30:.2f} GiB")
        return
    with db.read() as tx:
        for table in ("clusters", "cluster_fields", "cluster_terms", "cluster_texts", "rival"):
            print(f"{table}: {tx.scalar(text(f'SELECT pg_total_relation_size({table!r})')) / 2**30:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--definitions", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    given, _ = parser.parse_known_args()
    print(f"## Lists over {given.definitions:,} definitions\n\n{describe()}\n")
    if given.store != "postgresql":
        print("### SQLite\n")
        folder = Path(tempfile.mkdtemp(prefix="coterie-bench-"))
        try:
            run(folder / "coterie.db", folder / "alone.db", given.definitions)
        finally:
            shutil.rmtree(folder)
    if given.store != "sqlite":
        print("### PostgreSQL\n")
        memory = "-c shared_buffers=1GB -c work_mem=64MB -c maintenance_work_mem=512MB -c max_wal_size=8GB"
        with start_postgres(f"{memory} -c random_page_cost=1.1 -c max_parallel_workers_per_gather=0") as server:
            run(server.create(), server.create(), given.definitions)


if __name__ == "__main__":
    main()
