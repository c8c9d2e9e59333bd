import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { FilterBuilder } from "../../filters/FilterBuilder";
import { countConditions, fromJson, type Json } from "../../filters/tree";
import { href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { useLoad, useSettled } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states";
import { type Column, Pages, Table } from "../../ui/Table";
import { Ago, counted, isPicture } from "../../ui/texts";
import { FileButton } from "./collection";

export type DocumentModel = Shown<Schemas["DocumentResponse"]>;

const PAGE = 25;
const FIELDS = 3;

interface Props {
  name: string;
  /** Counts up when the documents have changed. */
  turn: number;
  onChoose: (file: File) => void;
}

/** A page of a collection's documents by conditions and text, all in the address. */
export function Documents({ name, turn, onChoose }: Props) {
  const query = place.value.query;
  const search = useSettled(query.get("q") ?? "");
  const offset = Number(query.get("offset")) || 0;
  const filters = readFilters(query.get("filters"));
  const conditions = conditionsOf(filters);
  const settled = useSettled(JSON.stringify(filters), 400);
  const { data, error, loading, reload } = useLoad(JSON.stringify([name, search, settled, offset, turn]), (signal) =>
    take(
      api.POST("/v1/collections/{collection_identifier}/documents/list", {
        params: { path: { collection_identifier: name }, query: { limit: PAGE, offset } },
        body: { search: search || null, filters: JSON.parse(settled) as Schemas["ListDocumentsRequest"]["filters"] },
        signal,
      }),
    ),
  );
  const rows = (data?.results ?? []) as DocumentModel[];
  const total = data?.pagination.total ?? 0;
  const asks = search !== "" || settled !== "null";
  const filterBy = (to: Json | null) => setQuery({ filters: to && JSON.stringify(to), offset: null }, true);
  return (
    <section class="stack tight" aria-label="Documents" aria-busy={loading}>
      <div class="row bar">
        <input
          type="search"
          aria-label="Search documents"
          placeholder="Search documents"
          value={query.get("q") ?? ""}
          onInput={(event) => setQuery({ q: event.currentTarget.value, offset: null }, true)}
        />
        <Button
          icon="filter"
          aria-expanded={query.has("build")}
          onClick={() => setQuery({ build: query.has("build") ? null : 1 }, true)}
        >
          {conditions === 0 ? "Filter" : counted(conditions, "condition")}
        </Button>
      </div>
      {query.has("build") && (
        <section class="card" aria-label="Filters">
          <FilterBuilder value={filters} fields={hintsOf(rows)} onChange={filterBy} />
        </section>
      )}
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : rows.length > 0 ? (
        <div>
          <Table
            caption="Documents"
            columns={columnsOf(rows)}
            rows={rows}
            id={(row) => row.document_id}
            selected={(row) => row.document_id === query.get("doc")}
          />
          <Pages
            total={total}
            offset={offset}
            limit={PAGE}
            what="documents"
            onOffset={(to) => setQuery({ offset: to || null })}
          />
        </div>
      ) : asks || offset > 0 ? (
        <EmptyState
          title="No document matches"
          action={<Button onClick={() => setQuery({ q: null, filters: null, offset: null })}>Show all</Button>}
        >
          Conditions hold all at once; text is searched in ids and metadata.
        </EmptyState>
      ) : (
        <EmptyState title="No documents yet" action={<FileButton onFile={onChoose} />}>
          Drop a Parquet, CSV or NDJSON file anywhere on this page, or choose one.
        </EmptyState>
      )}
    </section>
  );
}

function readFilters(text: string | null): Json | null {
  try {
    return text === null ? null : (JSON.parse(text) as Json);
  } catch {
    return null; // an address that someone wrote by hand
  }
}

function conditionsOf(filters: Json | null): number {
  try {
    return filters === null ? 0 : countConditions(fromJson(filters));
  } catch {
    return 1; // the server will say what is wrong with it
  }
}

function hintsOf(rows: readonly DocumentModel[]) {
  return ["document_id", "created_at", ...fieldsOf(rows).map((field) => `metadata.${field}`)].map((name) => ({ name }));
}

/** The fields of the metadata that most of the rows have, the most common first. */
function fieldsOf(rows: readonly DocumentModel[]): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) for (const key of Object.keys(row.metadata)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([key]) => key);
}

function columnsOf(rows: readonly DocumentModel[]): Column<DocumentModel>[] {
  const here = Object.fromEntries(place.value.query);
  return [
    {
      key: "id",
      title: "Document",
      cell: (row) => (
        <a class="main" href={href(place.value.path, { ...here, doc: row.document_id })}>
          {row.document_id}
        </a>
      ),
    },
    ...fieldsOf(rows)
      .slice(0, FIELDS)
      .map((field) => ({
        key: `m.${field}`,
        title: field,
        cell: (row: DocumentModel) => <Value of={row.metadata[field]} />,
      })),
    { key: "updated", title: "Changed", cell: (row) => <Ago at={row.updated_at ?? row.created_at} /> },
  ];
}

function Value({ of }: { of: unknown }) {
  if (of === undefined || of === null) return <span class="muted">–</span>;
  const text = typeof of === "string" ? of : JSON.stringify(of);
  if (isPicture(text)) return <img class="thumbnail" src={text} alt="" loading="lazy" />;
  return (
    <div class="cut" title={text.slice(0, 500)}>
      {text.slice(0, 200)}
    </div>
  );
}
