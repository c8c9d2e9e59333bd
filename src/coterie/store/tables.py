"""The whole data model, once.

A resource that the API shows keeps its JSON as the API returns it in `resource`; the other columns are
what the service itself asks for. Timestamps are text in one form (`kit.clock.iso`), so text order is time order.
Every table but `organizations`, `sequences` and `workers` leads to its tenant: by `org_id`, by `namespace_id`.
"""

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    event,
    text,
)

from coterie.store.types import Large, Number, Terms, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_namespace() -> Column[str]:
    return Column("namespace_id", Text, ForeignKey("namespaces.id", ondelete="CASCADE"), nullable=False)


organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("internal_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("org_id", "email"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("hint", Text, nullable=False),  # the last four characters, to tell keys apart
    Column("permissions", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    UniqueConstraint("user_id", "name"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)
"""Links that sign a browser in, until they are used."""

namespaces = Table(
    "namespaces",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("deleting", Boolean, nullable=False, default=False),  # hidden at once, emptied by a job
    UniqueConstraint("org_id", "name"),
    Index("ix_namespaces_newest", "org_id", Column("created_at").desc(), "id"),
)

collections = Table(
    "collections",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    _of_namespace(),
    Column("name", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("document_count", Integer, nullable=False, default=0),
    Column("added", Large, nullable=False, server_default="0"),
    Column("updated", Large, nullable=False, server_default="0"),
    Column("batches", Large, nullable=False, server_default="0"),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("namespace_id", "name"),
    Index("ix_collections_newest", "namespace_id", Column("created_at").desc(), "id"),
)

"""`added`, `updated` and `batches` only grow: how many documents came, were written anew, and in how many requests, an
import being one. What waits for changes compares them with what they were."""

vector_spaces = Table(
    "vector_spaces",
    metadata,
    Column("collection_id", Text, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("dimensions", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("namespace_id", Text, nullable=False),
    Column("collection_id", Text, nullable=False),  # no foreign key: they go after it, some at a time
    Column("resource", Text, nullable=False),
    Column("vectors", Text, nullable=False),  # {"name": key of the row in Lance}
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("collection_id", "id"),
    Index("ix_documents_newest", "collection_id", Column("created_at").desc(), "id"),
    Index("ix_documents_arrivals", "collection_id", "pk"),
    sqlite_autoincrement=True,
)
"""No `pk` is given twice, and later ones are larger: what came since a run is what lies beyond the largest it saw."""

retired_vectors = Table(
    "retired_vectors",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("namespace_id", Text, nullable=False),
    Column("collection_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("keys", Text, nullable=False),  # a JSON list of keys that no document points at any more
    Column("retired_at", Text, nullable=False),
    Index("ix_retired_vectors_retired_at", "retired_at"),
)
"""Vectors that are to be deleted once no one who read their keys before can still be on the way to them."""

waiting_documents = Table(
    "waiting_documents",
    metadata,
    Column("collection_id", Text, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("revision", Large, nullable=False),  # grows with each write, so that a job knows what it has not seen
)
"""Documents that were written since their extractors last looked at them."""

embeddings = Table(
    "embeddings",
    metadata,
    Column("document_pk", Integer, ForeignKey("documents.pk", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("collection_id", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the model and of what was embedded
    Column("key", Large, nullable=False),
    Index("ix_embeddings_digest", "collection_id", "name", "digest"),
)
"""Which vectors the service made itself, and of what: equal content needs no model, changed content does. A document
whose vector has another key than the one here brought it along."""

clusters = Table(
    "clusters",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    _of_namespace(),
    Column("name", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("run_text", Text, nullable=False, default=""),  # labels and keywords of the last run, to be found by
    Column("status", Text, nullable=False),
    Column("last_run_id", Text),
    Column("num_documents", Integer, nullable=False, default=0),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("namespace_id", "name"),
    Index("ix_clusters_newest", "namespace_id", Column("created_at").desc(), "id"),
    Index("ix_clusters_rows", "namespace_id", "pk"),
)
"""Within a namespace `pk`, `created_at` and `id` all grow from one definition to the next (`clusters.service` sees to
it), so that the field index, which knows `pk` only, can list in the order of the other two."""

cluster_counts = Table(
    "cluster_counts",
    metadata,
    Column("namespace_id", Text, ForeignKey("namespaces.id", ondelete="CASCADE"), primary_key=True),
    Column("status", Text, primary_key=True),
    Column("definitions", Integer, nullable=False),
    Column("documents", Large, nullable=False),
)
"""How many definitions a namespace has by status: written with them, so that no list has to count them."""

paths = Table(
    "paths",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", Text, nullable=False),  # whose resources: a namespace's definitions, a collection's documents
    Column("path", Text, nullable=False),
    Column("multiple", Boolean, nullable=False),  # whether any resource has more than one row at it
    Column("long", Boolean, nullable=False),  # whether any string at it is longer than what the indexes hold
    Column("ready", Boolean, nullable=False),  # whether all resources of the scope have their rows at it
    UniqueConstraint("scope", "path"),
)


def _field_index(name: str) -> Table:
    """The leaves of one kind of resource, by path and value: `listing.fields` says what its columns hold."""
    return Table(
        name,
        metadata,
        Column("row_id", Integer, nullable=False),
        Column("path_id", Integer, nullable=False),
        Column("type", Text, nullable=False),
        Column("element", Boolean, nullable=False),
        Column("num", Number()),
        Column("str", Text),
        Column("folded", Text),
        Column("whole", Text),
        Column("whole_folded", Text),
        Index(f"ix_{name}_row", "row_id", "path_id"),
        Index(f"ix_{name}_num", "path_id", "type", "num", "row_id"),
        _of_strings(f"ix_{name}_str", "path_id", "str", "row_id", "element"),
        _of_strings(f"ix_{name}_folded", "path_id", "folded", "row_id", "element"),
    )


def _of_strings(name: str, *columns: str) -> Index:
    strings = text("str IS NOT NULL")
    return Index(name, *columns, sqlite_where=strings, postgresql_where=strings)


cluster_fields = _field_index("cluster_fields")
document_fields = _field_index("document_fields")

cluster_texts = Table(
    "cluster_texts",
    metadata,
    Column("namespace_id", Text, primary_key=True),  # first, so that a small namespace's stand together
    Column("row_id", Integer, primary_key=True, autoincrement=False),
    Column("search", Text, nullable=False),  # what a search looks in, folded
    Column("strings", Text, nullable=False),  # every string of the resource, folded: the trigrams are of these
    Index(
        "ix_cluster_texts_trigrams",
        "strings",
        postgresql_using="gin",
        postgresql_ops={"strings": "gin_trgm_ops"},
    ).ddl_if(dialect="postgresql"),
    sqlite_with_rowid=False,
)
TRIGRAMS = """CREATE VIRTUAL TABLE cluster_trigrams USING fts5(
    strings, content='', tokenize='trigram case_sensitive 1', detail='none')"""
"""SQLite's index of trigrams, by row id. Without positions: it names candidates, which are then looked at."""

cluster_terms = Table(
    "cluster_terms",
    metadata,
    Column("row_id", Integer, primary_key=True, autoincrement=False),
    Column("terms", Terms, nullable=False),
    Index("ix_cluster_terms_terms", "terms", postgresql_using="gin").ddl_if(dialect="postgresql"),
)
"""What definitions are found by where several conditions come together: `listing.terms` says what a term is."""

POSTINGS = """CREATE VIRTUAL TABLE cluster_postings USING fts5(
    terms, content='', tokenize="ascii tokenchars '_.-~%'", detail='none')"""
"""SQLite's index of terms, by row id."""

TRIGRAM_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
event.listen(metadata, "before_create", DDL(TRIGRAM_EXTENSION).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
event.listen(cluster_texts, "after_create", DDL(TRIGRAMS).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
event.listen(cluster_terms, "after_create", DDL(POSTINGS.replace("%", "%%")).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the store itself, such as what its indexes were made with."""

runs = Table(
    "runs",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    _of_namespace(),
    Column("cluster_id", Text, ForeignKey("clusters.id", ondelete="CASCADE")),
    Column("task_id", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("plan", Text, nullable=False),  # the run's snapshot of its configuration
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("completed_at", Text),
    Index("ix_runs_cluster", "cluster_id", Column("created_at").desc(), "id"),
    Index("ix_runs_newest", "namespace_id", Column("created_at").desc(), "id"),
)

groups = Table(
    "groups",
    metadata,
    Column("pk", Integer, primary_key=True),
    _of_namespace(),
    Column("cluster_id", Text, ForeignKey("clusters.id", ondelete="CASCADE"), nullable=False),
    Column("id", Text, nullable=False),  # `cl_0`: given once in a definition's life
    Column("merged_into", Text),
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("cluster_id", "id"),
)
"""A definition's groups over all of its runs: what people said of them, and when they were seen."""

group_labels = Table(
    "group_labels",
    metadata,
    Column("pk", Integer, primary_key=True),
    _of_namespace(),
    Column("cluster_id", Text, ForeignKey("clusters.id", ondelete="CASCADE"), nullable=False),
    Column("group_id", Text, nullable=False),
    Column("run_id", Text),
    Column("user_id", Text),
    Column("label", Text, nullable=False),
    Column("source", Text, nullable=False),  # keywords, values, llm, human
    Column("created_at", Text, nullable=False),
    Column("key_id", Text),  # whose key: no key and no user is a run
    Column("label_before", Text),
    Index("ix_group_labels_group", "cluster_id", "group_id", "pk"),
)
"""Every label that a group had."""

enrichments = Table(
    "enrichments",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    _of_namespace(),
    Column("task_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("ix_enrichments_newest", "namespace_id", Column("created_at").desc(), "id"),
)

enrichment_changes = Table(
    "enrichment_changes",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("enrichment_id", Text, ForeignKey("enrichments.id", ondelete="CASCADE"), nullable=False),
    Column("document_pk", Integer, nullable=False),
    Column("before", Text),  # what the written fields held and hold, as JSON, or that the enrichment made the document
    UniqueConstraint("enrichment_id", "document_pk"),
)
"""What an enrichment replaced, so that it can be undone."""

triggers = Table(
    "triggers",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    _of_namespace(),
    Column("cluster_id", Text, ForeignKey("clusters.id", ondelete="CASCADE")),
    Column("status", Text, nullable=False),
    Column("next_at", Text),  # when it is to be looked at next
    Column("state", Text, nullable=False),  # what it has to remember between two looks
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("ix_triggers_due", "status", "next_at"),
    Index("ix_triggers_newest", "namespace_id", Column("created_at").desc(), "id"),
)

trigger_firings = Table(
    "trigger_firings",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("trigger_id", Text, ForeignKey("triggers.id", ondelete="CASCADE"), nullable=False),
    Column("due_at", Text, nullable=False),
    Column("task_id", Text),
    Column("status", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("trigger_id", "due_at"),
    Index("ix_trigger_firings_task", "task_id"),
    Index("ix_trigger_firings_newest", "trigger_id", "pk"),
)
"""One for each due time, whoever comes first."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret", Text, nullable=False),  # signs what is sent, so it cannot be kept as a hash
    Column("active", Boolean, nullable=False),
    Column("resource", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("org_id", "name"),
    Index("ix_webhooks_newest", "org_id", Column("created_at").desc(), "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("channel", Integer, nullable=False),  # which of the webhook's
    Column("event", Text, nullable=False),  # what is sent, as JSON
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Text),
    Column("resource", Text, nullable=False),  # the log that the API shows
    Column("created_at", Text, nullable=False),
    Index("ix_webhook_deliveries_due", "status", "next_at"),
    Index("ix_webhook_deliveries_newest", "webhook_id", Column("created_at").desc(), "id"),
)
"""The outbox of what happened: written with the change that it tells of."""

_OPEN = "status NOT IN ('COMPLETED', 'FAILED', 'CANCELED')"
WAITING = text(f"owner IS NULL AND {_OPEN}")
IN_HAND = text(f"owner IS NOT NULL AND {_OPEN}")
UNWANTED = text(f"cancel_requested AND owner IS NULL AND {_OPEN}")
"""Which tasks wait for a worker, which one has, and which need none any more. Queries that say it in the same words
find them in small indexes, however many tasks there are; SQLite, which keeps no statistics, would look up `IN`."""

tasks = Table(
    "tasks",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("org_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("namespace_id", Text, nullable=False),  # no foreign key: the task that deletes it outlives it
    Column("kind", Text, nullable=False),  # which workflow does it
    Column("payload", Text, nullable=False),  # what the workflow is told
    Column("lock", Text),  # tasks with one lock run one after the other
    Column("status", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("owner", Text),  # the worker that has it in hand; one that was declared dead is told by this
    Column("dispatched_at", Text),
    Column("attempt", Integer, nullable=False, default=0, server_default="0"),  # begun anew so many times
    Column("recoveries", Integer, nullable=False, default=0, server_default="0"),  # workers that died of or with it
    Column("workspace", Text),  # whose workers can go on with the steps of this attempt
    Column("memory_needed", Large),  # bytes that a worker must have declared
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Index("ix_tasks_newest", "namespace_id", Column("created_at").desc(), "id"),
    Index("ix_tasks_organization", "org_id", Column("created_at").desc(), "id"),
    Index("ix_tasks_lock", "lock", "status"),
    Index("ix_tasks_open", "status", "pk"),
    Index("ix_tasks_waiting", "org_id", "pk", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("ix_tasks_in_hand", "owner", "org_id", sqlite_where=IN_HAND, postgresql_where=IN_HAND),
    Index("ix_tasks_unwanted", "pk", sqlite_where=UNWANTED, postgresql_where=UNWANTED),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("workspace", Text),  # its scratch folder, and the steps that it knows
    Column("memory", Large),  # bytes that one of its jobs may take
)

sequences = Table(
    "sequences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", Large, nullable=False),
)
