import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import type { Schemas, Shown } from "../../api/types";
import { go, href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { useLoad, useSettled } from "../../ui/load";
import { EmptyState, ErrorState, messageOf, Skeleton } from "../../ui/states";
import { Pages, type Sort, Table } from "../../ui/Table";
import { Ago, count } from "../../ui/texts";

export type CollectionModel = Shown<Schemas["CollectionResponse"]>;

const PAGE = 25;

/** The namespace's collections: a page by search and sort, all in the address. */
export function Collections() {
  const query = place.value.query;
  const search = useSettled(query.get("q") ?? "");
  const offset = Number(query.get("offset")) || 0;
  const [field = "created_at", direction = "desc"] = (query.get("sort") ?? "").split(" ").filter(Boolean);
  const sort = { field, direction: direction === "asc" ? "asc" : "desc" } as Sort;
  const { data, error, reload } = useLoad(JSON.stringify([search, offset, sort]), (signal) =>
    take(
      api.POST("/v1/collections/list", {
        params: { query: { limit: PAGE, offset } },
        body: { search: search || null, sort },
        signal,
      }),
    ),
  );
  const make = () => setQuery({ new: 1 });
  return (
    <>
      <div class="head">
        <h1>Data</h1>
        <div class="actions">
          <Button kind="primary" icon="plus" onClick={make}>
            New collection
          </Button>
        </div>
      </div>
      <div class="row bar">
        <input
          type="search"
          aria-label="Search collections"
          placeholder="Search collections"
          value={query.get("q") ?? ""}
          onInput={(event) => setQuery({ q: event.currentTarget.value, offset: null }, true)}
        />
      </div>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : data.total_count > 0 ? (
        <>
          <Table
            caption="Collections"
            columns={COLUMNS}
            rows={data.results as CollectionModel[]}
            id={(row) => row.collection_id}
            sort={sort}
            onSort={(to) => setQuery({ sort: `${to.field} ${to.direction}`, offset: null })}
          />
          <Pages
            total={data.total_count}
            offset={offset}
            limit={PAGE}
            what="collections"
            onOffset={(to) => setQuery({ offset: to || null })}
          />
        </>
      ) : search !== "" ? (
        <EmptyState
          title="No collection matches"
          action={<Button onClick={() => setQuery({ q: null })}>Show all</Button>}
        >
          Every word of the search must be in a collection's name or description.
        </EmptyState>
      ) : (
        <EmptyState title="No collections yet" action={<Button onClick={make}>New collection</Button>}>
          A collection holds documents and their vectors. Make one, then drop a Parquet, CSV or NDJSON file on it.
        </EmptyState>
      )}
      {query.has("new") && <NewCollection onClose={() => setQuery({ new: null }, true)} />}
    </>
  );
}

const COLUMNS = [
  {
    key: "name",
    title: "Collection",
    sort: "collection_name",
    cell: (row: CollectionModel) => (
      <a class="main" href={href(["data", row.collection_name])}>
        {row.collection_name}
      </a>
    ),
  },
  {
    key: "documents",
    title: "Documents",
    right: true,
    sort: "document_count",
    cell: (row: CollectionModel) => count(row.document_count),
  },
  { key: "vectors", title: "Vectors", cell: (row: CollectionModel) => <Vectors of={row} /> },
  { key: "updated", title: "Changed", sort: "updated_at", cell: (row: CollectionModel) => <Ago at={row.updated_at} /> },
];

function Vectors({ of }: { of: CollectionModel }) {
  const names = of.feature_extractors.map((each) => each.feature_extractor_name);
  return (
    <span class="row tight">
      {names.map((name) => (
        <span key={name} class="chip">
          {name}
        </span>
      ))}
    </span>
  );
}

function NewCollection({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    try {
      const made = await take(
        api.POST("/v1/collections", { body: { collection_name: name, description: description || null } }),
      );
      go(href(["data", made.collection_name]));
    } catch (error) {
      setFault(messageOf(error));
      setBusy(false);
    }
  };
  const actions = (
    <Button kind="primary" type="submit" form="new-collection" disabled={busy || name === ""}>
      Create
    </Button>
  );
  return (
    <Dialog title="New collection" onClose={onClose} actions={actions}>
      <form
        id="new-collection"
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <Field label="Name" fault={fault}>
          {(wiring) => (
            <input
              {...wiring}
              required
              maxLength={255}
              autoFocus
              value={name}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Description" hint="What the documents are, for who finds them later.">
          {(wiring) => (
            <textarea
              {...wiring}
              rows={2}
              maxLength={4096}
              value={description}
              onInput={(event) => setDescription(event.currentTarget.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
