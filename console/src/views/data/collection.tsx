import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { go, href, place, setQuery } from "../../router";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton } from "../../ui/states";
import { Ago, count, counted } from "../../ui/texts";
import { complain, tell } from "../../ui/toasts";
import { DocumentDialog } from "./document";
import { Documents } from "./documents";
import { DropZone, ImportDialog } from "./import";

/** A collection: what is in it, its documents, and the way in for more. */
export function Collection({ name }: { name: string }) {
  const path = { collection_identifier: name };
  const [file, setFile] = useState<File | null>(null);
  const [turn, setTurn] = useState(0);
  const { data, error, reload } = useLoad(`${name}/${turn}`, async (signal) => {
    const [collection, told] = await Promise.all([
      take(api.GET("/v1/collections/{collection_identifier}", { params: { path }, signal })),
      take(api.GET("/v1/collections/{collection_identifier}/features", { params: { path }, signal })),
    ]);
    return { collection, features: told.features };
  });
  if (error !== null) return <ErrorState error={error} onRetry={reload} />;
  if (data === null) return <Skeleton />;
  const query = place.value.query;
  const document = query.get("doc");
  const changed = () => setTurn((before) => before + 1);
  return (
    <DropZone onFile={setFile}>
      <div class="head">
        <div>
          <p class="crumbs">
            <a href={href(["data"])}>Data</a>
          </p>
          <h1>{data.collection.collection_name}</h1>
          {data.collection.description && <p class="muted">{data.collection.description}</p>}
        </div>
        <div class="actions">
          <FileButton onFile={setFile} />
          <Button kind="danger" icon="trash" label="Delete the collection" onClick={() => setQuery({ delete: 1 })} />
        </div>
      </div>
      <div class="stack">
        <dl class="card facts">
          <div>
            <dt>Documents</dt>
            <dd class="num">{count(data.collection.document_count)}</dd>
          </div>
          <div>
            <dt>Vectors</dt>
            <dd>
              {data.features.length === 0
                ? "none yet"
                : data.features
                    .map((each) => `${each.feature_extractor_name} (${each.vector_index.dimensions ?? "?"})`)
                    .join(", ")}
            </dd>
          </div>
          <div>
            <dt>Created</dt>
            <dd>
              <Ago at={data.collection.created_at} />
            </dd>
          </div>
          <div>
            <dt>Id</dt>
            <dd>
              <code>{data.collection.collection_id}</code>
            </dd>
          </div>
        </dl>
        <Documents name={name} turn={turn} onChoose={setFile} />
      </div>
      {file !== null && (
        <ImportDialog
          key={`${file.name}/${file.size}/${file.lastModified}`}
          collection={name}
          file={file}
          onImported={changed}
          onClose={() => setFile(null)}
        />
      )}
      {document !== null && (
        <DocumentDialog collection={name} id={document} onDeleted={changed} onClose={() => setQuery({ doc: null })} />
      )}
      {query.has("delete") && (
        <DeleteCollection
          name={name}
          documents={data.collection.document_count ?? 0}
          onClose={() => setQuery({ delete: null }, true)}
        />
      )}
    </DropZone>
  );
}

/** A button that asks for a file. */
export function FileButton({ onFile }: { onFile: (file: File) => void }) {
  return (
    <label class="button primary file">
      Import a file
      <input
        type="file"
        accept=".parquet,.csv,.ndjson,.jsonl"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = ""; // the same file can be chosen again
          if (file) onFile(file);
        }}
      />
    </label>
  );
}

function DeleteCollection({ name, documents, onClose }: { name: string; documents: number; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      await take(
        api.DELETE("/v1/collections/{collection_identifier}", { params: { path: { collection_identifier: name } } }),
      );
      tell(`Deleted ${name}`);
      go(href(["data"]));
    } catch (error) {
      complain(error);
      onClose();
    }
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      deed="Delete the collection"
      busy={busy}
      onDo={() => void remove()}
      onClose={onClose}
    >
      <p>
        Its {counted(documents, "document")} and their vectors go with it, for good. Definitions that use it stay, and
        their next runs will fail.
      </p>
    </Confirm>
  );
}
