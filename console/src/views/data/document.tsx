import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { useLoad } from "../../ui/load";
import { ErrorState, Skeleton } from "../../ui/states";
import { Code } from "../../ui/texts";
import { complain, tell } from "../../ui/toasts";

interface Props {
  collection: string;
  id: string;
  onDeleted: () => void;
  onClose: () => void;
}

const FIRST_NUMBERS = 4;

/** A document as the API shows it; of its vectors the names, lengths and first numbers. */
export function DocumentDialog({ collection, id, onDeleted, onClose }: Props) {
  const path = { collection_identifier: collection, document_id: id };
  const [asked, setAsked] = useState(false);
  const { data, error, reload } = useLoad(id, (signal) =>
    take(
      api.GET("/v1/collections/{collection_identifier}/documents/{document_id}", {
        params: { path, query: { return_vectors: true } },
        signal,
      }),
    ),
  );
  const remove = async () => {
    if (!asked) return setAsked(true);
    try {
      await take(api.DELETE("/v1/collections/{collection_identifier}/documents/{document_id}", { params: { path } }));
      tell(`Deleted ${id}`);
      onDeleted();
      onClose();
    } catch (fault) {
      complain(fault);
    }
  };
  const actions = (
    <Button kind="danger" icon="trash" disabled={data === null} onClick={() => void remove()}>
      {asked ? "Yes, delete it for good" : "Delete"}
    </Button>
  );
  return (
    <Dialog title={id} wide onClose={onClose} actions={actions}>
      {error !== null ? (
        <ErrorState error={error} onRetry={reload} />
      ) : data === null ? (
        <Skeleton />
      ) : (
        <Shown document={data} />
      )}
    </Dialog>
  );
}

function Shown({ document }: { document: Record<string, unknown> }) {
  const { vector: _, vectors, ...rest } = document;
  const named = Object.entries((vectors ?? {}) as Record<string, number[]>);
  return (
    <div class="stack">
      <div class="stack tight">
        <h3>Vectors</h3>
        {named.length === 0 && <p class="muted">None.</p>}
        <ul class="stack tight">
          {named.map(([name, numbers]) => (
            <li key={name} class="row">
              <span class="chip">{name}</span>
              <span class="num">{numbers.length} numbers</span>
              <code class="muted">
                {numbers
                  .slice(0, FIRST_NUMBERS)
                  .map((each) => each.toPrecision(4))
                  .join(", ")}
                {numbers.length > FIRST_NUMBERS && ", …"}
              </code>
            </li>
          ))}
        </ul>
      </div>
      <Code label="The document as JSON" text={JSON.stringify(rest, null, 2)} />
    </div>
  );
}
