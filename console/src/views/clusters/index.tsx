import { useEffect, useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Cluster, Schemas } from "../../api/types";
import { CodeDialog } from "../../filters/CodeDialog";
import { type FieldHint, FilterBuilder } from "../../filters/FilterBuilder";
import { type Json, countConditions, fromJson } from "../../filters/tree";
import { href, place, setQuery } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Icon } from "../../ui/icons";
import { useLoad, useRefresh, useSettled } from "../../ui/load";
import { EmptyState, ErrorState, Outdated, Skeleton, Status } from "../../ui/states";
import { type Column, Pages, Table } from "../../ui/Table";
import { Ago, count, counted } from "../../ui/texts";
import { useTitle } from "../../ui/title";
import { isBusy } from "./busy";
import { CreateDialog } from "./create";
import { METHODS, methodOf } from "./methods";
import { bodyOf, type ListState, readState, showSort } from "./state";

/** Every definition of the namespace, by the list language: what the list endpoint can do, as a page. */
export default function ClustersView() {
  useTitle("Clusters");
  const state = readState();
  const body = bodyOf(state);
  const page = { limit: state.limit, offset: state.offset };
  const listed = useLoad(JSON.stringify([body, page]), (signal) =>
    take(
      api.POST("/v1/clusters/list", { params: { query: page }, body: body as Schemas["ListClustersRequest"], signal }),
    ),
  );
  const [showsCode, showCode] = useState(false);
  const { query } = place.value;
  const rows = (listed.data?.results ?? []) as Cluster[];
  const Fault = listed.data === null ? ErrorState : Outdated;
  useRefresh(rows.some(isBusy), listed);
  return (
    <>
      <div class="head">
        <div>
          <h1>Clusters</h1>
          {listed.data && <Summary stats={listed.data.stats} />}
        </div>
        <div class="actions">
          <Button kind="primary" icon="plus" onClick={() => setQuery({ new: 1 })}>
            New cluster
          </Button>
        </div>
      </div>
      <Toolbar state={state} onCode={() => showCode(true)} />
      {query.has("build") && (
        <section class="card" aria-label="Filters" style={{ marginBottom: "12px" }}>
          <FilterBuilder value={state.filters} fields={hintsOf(rows)} onChange={filterBy} />
        </section>
      )}
      {listed.error !== null && <Fault error={listed.error} onRetry={listed.reload} />}
      {listed.data === null && listed.error === null && <Skeleton />}
      {listed.data && (
        <Rows rows={rows} total={listed.data.total_count} state={state} everything={listed.data.stats.total_clusters} />
      )}
      {showsCode && (
        <CodeDialog
          asked={{ path: "/v1/clusters/list", query: page, body, method: "list_clusters" }}
          onClose={() => showCode(false)}
        />
      )}
      {query.has("new") && <CreateDialog onClose={() => setQuery({ new: null })} />}
    </>
  );
}

function Summary({ stats }: { stats: Schemas["ClusterListStats"] }) {
  const statuses = Object.entries(stats.clusters_by_status).map(([status, many]) => `${many} ${status.toLowerCase()}`);
  const parts = [
    counted(stats.total_clusters, "definition"),
    ...statuses,
    `${counted(stats.total_documents, "document")} in groups`,
  ];
  return (
    <p class="muted small">{stats.total_clusters === 0 ? "Groups of documents, found and kept" : parts.join(" · ")}</p>
  );
}

function filterBy(filters: Json | null): void {
  setQuery({ filters: filters && JSON.stringify(filters), offset: null }, true);
}

function Toolbar({ state, onCode }: { state: ListState; onCode: () => void }) {
  const { query } = place.value;
  const conditions = state.filters === null ? 0 : conditionsOf(state.filters);
  return (
    <div class="toolbar">
      <Search value={state.search} />
      <Button
        icon="filter"
        aria-expanded={query.has("build")}
        onClick={() => setQuery({ build: query.has("build") ? null : 1 }, true)}
      >
        {conditions === 0 ? "Filter" : counted(conditions, "condition")}
      </Button>
      {conditions > 0 && (
        <Button kind="quiet" onClick={() => filterBy(null)}>
          Clear
        </Button>
      )}
      <Button kind="quiet" icon="copy" onClick={onCode}>
        As code
      </Button>
    </div>
  );
}

function conditionsOf(filters: Json): number {
  try {
    return countConditions(fromJson(filters));
  } catch {
    return 1; // the server will say what is wrong with it
  }
}

function Search({ value }: { value: string }) {
  const [text, setText] = useState(value);
  const settled = useSettled(text);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (settled !== value) setQuery({ q: settled, offset: null }, true);
  }, [settled]);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label="Search definitions"
        placeholder="Search names, descriptions, labels, keywords"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

interface RowsProps {
  rows: readonly Cluster[];
  total: number;
  everything: number;
  state: ListState;
}

function Rows({ rows, total, everything, state }: RowsProps) {
  if (everything === 0) {
    return (
      <EmptyState title="No definitions yet" action={<FirstSteps />}>
        A definition says which documents to group and how. It is run as often as you like, and its groups keep their
        names.
      </EmptyState>
    );
  }
  if (total === 0) {
    return (
      <EmptyState
        title="None of them matches"
        action={
          <Button onClick={() => setQuery({ q: null, filters: null })}>Show all {everything.toLocaleString()}</Button>
        }
      >
        Change the search or the filters.
      </EmptyState>
    );
  }
  const onSort = (sort: NonNullable<ListState["sort"]>) => setQuery({ sort: showSort(sort), offset: null });
  return (
    <>
      <Table
        caption="Definitions"
        columns={COLUMNS}
        rows={rows}
        id={(row) => row.cluster_id}
        sort={state.sort}
        onSort={onSort}
      />
      <Pages
        total={total}
        offset={state.offset}
        limit={state.limit}
        what="definitions"
        onOffset={(offset) => setQuery({ offset: offset || null })}
      />
    </>
  );
}

function FirstSteps() {
  return (
    <div class="row">
      <Button kind="primary" icon="plus" onClick={() => setQuery({ new: 1 })}>
        New cluster
      </Button>
      <LinkButton href={href(["data"])}>Import documents first</LinkButton>
    </div>
  );
}

const COLUMNS: readonly Column<Cluster>[] = [
  {
    key: "name",
    title: "Name",
    sort: "cluster_name",
    cell: (row) => (
      <a class="main" href={href(["clusters", row.cluster_id])}>
        {row.cluster_name || row.cluster_id}
      </a>
    ),
  },
  {
    key: "status",
    title: "Status",
    sort: "status",
    cell: (row) => <Status of={row.last_run_id === null && row.task_id === null ? "never run" : row.status} />,
  },
  { key: "groups", title: "Groups", sort: "num_clusters", right: true, cell: (row) => count(row.num_clusters) },
  {
    key: "documents",
    title: "Documents",
    sort: "num_documents_clustered",
    right: true,
    cell: (row) => count(row.num_documents_clustered),
  },
  { key: "method", title: "Method", cell: (row) => methodOf(row) },
  { key: "collections", title: "Collections", cell: (row) => <Collections names={row.collection_ids} /> },
  { key: "last", title: "Last run", sort: "last_executed_at", cell: (row) => <Ago at={row.last_executed_at} /> },
];

function Collections({ names }: { names: readonly string[] }) {
  return (
    <span class="row tight">
      {names.map((name) => (
        <a key={name} class="chip" href={href(["data", name])}>
          {name}
        </a>
      ))}
    </span>
  );
}

/** Fields to filter by: those that definitions have, and what stands in the metadata of those that are shown. */
function hintsOf(rows: readonly Cluster[]): FieldHint[] {
  const own = new Set(rows.flatMap((row) => Object.keys(row.metadata ?? {}).map((key) => `metadata.${key}`)));
  return [...FIELDS, ...[...own].sort().map((name) => ({ name }))];
}

const FIELDS: readonly FieldHint[] = [
  { name: "cluster_name" },
  { name: "status", values: ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELED"] },
  { name: "cluster_type", values: ["vector", "attribute"] },
  { name: "num_clusters" },
  { name: "num_documents_clustered" },
  { name: "collection_ids" },
  { name: "description" },
  { name: "vector_config.clustering_method", values: Object.keys(METHODS) },
  { name: "vector_config.feature_extractor_name" },
  { name: "cluster_stats.silhouette_score" },
  { name: "cluster_stats.noise_points" },
  { name: "created_at" },
  { name: "updated_at" },
  { name: "last_executed_at" },
];
