import { useState } from "preact/hooks";

import { api, take } from "../../api/client";
import { type ApiDocument, loadDocument, paramsIn } from "../../api/document";
import type { Schemas } from "../../api/types";
import { FilterBuilder } from "../../filters/FilterBuilder";
import { go, href } from "../../router";
import { Button, LinkButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { useLoad } from "../../ui/load";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states";
import { Tabs } from "../../ui/Tabs";
import { complain, tell } from "../../ui/toasts";
import { Collections, useSources, type Sources } from "./sources";
import { type Draft, EMPTY, definitionOf, faultsOf, missingIn, type Reduction } from "./draft";
import { METHODS, type Method } from "./methods";
import { type Faults, ParamsForm } from "./ParamsForm";
import { Trial } from "./trial";

const TYPES = { vector: "Likeness of vectors", attribute: "Equal fields" } as const;
const REDUCTIONS: Record<Reduction, { title: string; schema: string }> = {
  none: { title: "All dimensions", schema: "NoReduction" },
  pca: { title: "Principal components", schema: "PCAParams" },
  umap: { title: "UMAP", schema: "UMAPParams" },
  tsne: { title: "t-SNE", schema: "TSNEParams" },
};
/** Options of a `vector_config` that have controls of their own, or belong to its parts. */
const ELSEWHERE = new Set([
  "feature_extractor_name",
  "feature_uri",
  "clustering_method",
  "algorithm_params",
  "dimensionality_reduction",
]);

/** Writes a definition, with a look at what would come of it. */
export function CreateDialog({ onClose }: { onClose: () => void }) {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const sources = useSources(draft.collections);
  const document = useLoad("document", loadDocument);
  // A single kind of vectors needs no choosing.
  const written =
    draft.vector === "" && sources.vectors.length > 0 ? { ...draft, vector: sources.vectors[0]!.name } : draft;
  const missing = missingIn(written);
  const create = async (runs: boolean) => {
    setBusy(true);
    try {
      const made = await take(
        api.POST("/v1/clusters", { body: definitionOf(written) as Schemas["CreateClusterRequest"] }),
      );
      const id = made.cluster_id!;
      if (runs)
        await take(api.POST("/v1/clusters/{cluster_id}/execute", { params: { path: { cluster_id: id } } })).catch(
          complain,
        );
      tell(`Created ${made.cluster_name || id}.`);
      go(href(["clusters", id]));
    } catch (refused) {
      setError(refused);
    }
    setBusy(false);
  };
  const actions = (
    <>
      {missing !== null && (
        <span class="muted small" style={{ marginRight: "auto", alignSelf: "center" }}>
          {missing}
        </span>
      )}
      <Button disabled={missing !== null || busy} onClick={() => void create(false)}>
        Create
      </Button>
      <Button kind="primary" icon="play" disabled={missing !== null || busy} onClick={() => void create(true)}>
        Create and run
      </Button>
    </>
  );
  return (
    <Dialog title="New cluster definition" wide onClose={onClose} actions={actions}>
      {document.error !== null && <ErrorState error={document.error} onRetry={document.reload} />}
      {document.data === null && document.error === null && <Skeleton />}
      {document.data && sources.collections?.length === 0 && <NoDocuments />}
      {document.data && sources.collections?.length !== 0 && (
        <Form draft={written} document={document.data} sources={sources} error={error} onChange={setDraft} />
      )}
    </Dialog>
  );
}

function NoDocuments() {
  return (
    <EmptyState
      title="There are no documents yet"
      action={
        <LinkButton kind="primary" href={href(["data"])}>
          Import documents
        </LinkButton>
      }
    >
      A definition groups the documents of a collection. Import a file of them, with their vectors, first.
    </EmptyState>
  );
}

interface FormProps {
  draft: Draft;
  document: ApiDocument;
  sources: Sources;
  error: unknown;
  onChange: (draft: Draft) => void;
}

function Form({ draft, document, sources, error, onChange }: FormProps) {
  const { fields, general } = faultsOf(error);
  const put = (changes: Partial<Draft>) => onChange({ ...draft, ...changes });
  return (
    <div class="stack">
      {general !== null && (
        <p class="notice bad" role="alert">
          {general}
        </p>
      )}
      <div class="grid two">
        <Field label="Name" hint="Unique in its namespace; its id stands for it otherwise." fault={fields.cluster_name}>
          {(wiring) => (
            <input
              {...wiring}
              maxLength={255}
              value={draft.name}
              onInput={(event) => put({ name: event.currentTarget.value })}
            />
          )}
        </Field>
        <Field label="Description" fault={fields.description}>
          {(wiring) => (
            <input
              {...wiring}
              maxLength={4096}
              value={draft.description}
              onInput={(event) => put({ description: event.currentTarget.value })}
            />
          )}
        </Field>
      </div>
      <Collections sources={sources} chosen={draft.collections} onChange={(collections) => put({ collections })} />
      <div class="stack tight">
        <span class="legend">Group by</span>
        <Tabs label="Group by" tabs={TYPES} at={draft.type} onChange={(type) => put({ type })} />
      </div>
      {draft.type === "vector" ? (
        <Vectors draft={draft} document={document} sources={sources} faults={fields} onPut={put} />
      ) : (
        <Attributes draft={draft} sources={sources} onPut={put} />
      )}
      <details>
        <summary>Only some of the documents</summary>
        <FilterBuilder value={draft.filters} fields={sources.fields} onChange={(filters) => put({ filters })} />
      </details>
      {draft.type === "vector" && <Trial draft={draft} ready={missingIn(draft) === null} onUse={onChange} />}
    </div>
  );
}

interface PartProps {
  draft: Draft;
  sources: Sources;
  onPut: (changes: Partial<Draft>) => void;
}

function Vectors({ draft, document, sources, faults, onPut }: PartProps & { document: ApiDocument; faults: Faults }) {
  const { schema, about, main } = METHODS[draft.method];
  const params = paramsIn(document, schema);
  const [first, more] = [
    params.filter(({ name }) => main.includes(name)),
    params.filter(({ name }) => !main.includes(name)),
  ];
  const options = paramsIn(document, "VectorBasedConfig").filter(
    ({ name }) => !ELSEWHERE.has(name) && !name.endsWith("_parameters"),
  );
  const change = (values: Draft["params"]) => onPut({ params: values });
  return (
    <>
      <div class="grid two">
        <Field label="Vectors" hint={hintOfVectors(draft, sources)} fault={faults.feature_extractor_name}>
          {(wiring) => (
            <>
              <input
                {...wiring}
                list="vectors"
                value={draft.vector}
                onInput={(event) => onPut({ vector: event.currentTarget.value })}
              />
              <datalist id="vectors">
                {sources.vectors.map(({ name }) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label="Method" hint={about}>
          {(wiring) => (
            <select
              {...wiring}
              value={draft.method}
              onChange={(event) => onPut({ method: event.currentTarget.value as Method, params: {} })}
            >
              {Object.entries(METHODS).map(([name, { title }]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <ParamsForm params={first} values={draft.params} faults={faults} onChange={change} />
      <details>
        <summary>{`More parameters of ${METHODS[draft.method].title}`}</summary>
        <ParamsForm params={more} values={draft.params} faults={faults} onChange={change} />
      </details>
      <details>
        <summary>Before and after: scaling, fewer dimensions, hierarchy, noise, the map</summary>
        <div class="stack">
          <ParamsForm
            params={options}
            values={draft.options}
            faults={faults}
            onChange={(values) => onPut({ options: values })}
          />
          <ReductionForm draft={draft} document={document} faults={faults} onPut={onPut} />
        </div>
      </details>
    </>
  );
}

function hintOfVectors({ vector }: Draft, { vectors }: Sources): string {
  const found = vectors.find(({ name }) => name === vector);
  if (found !== undefined) return `${found.dimensions} dimensions`;
  return vectors.length === 0
    ? "By their name; they may come later."
    : `The collections have: ${vectors.map(({ name }) => name).join(", ")}`;
}

interface ReductionProps {
  draft: Draft;
  document: ApiDocument;
  faults: Faults;
  onPut: (changes: Partial<Draft>) => void;
}

function ReductionForm({ draft, document, faults, onPut }: ReductionProps) {
  return (
    <>
      <Field label="Cluster in fewer dimensions">
        {(wiring) => (
          <select
            {...wiring}
            value={draft.reduction}
            onChange={(event) => onPut({ reduction: event.currentTarget.value as Reduction, reductionParams: {} })}
          >
            {Object.entries(REDUCTIONS).map(([name, { title }]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        )}
      </Field>
      {draft.reduction !== "none" && (
        <ParamsForm
          params={paramsIn(document, REDUCTIONS[draft.reduction].schema)}
          values={draft.reductionParams}
          faults={faults}
          onChange={(reductionParams) => onPut({ reductionParams })}
        />
      )}
    </>
  );
}

function Attributes({ draft, sources, onPut }: PartProps) {
  const [text, setText] = useState(draft.attributes.join(", "));
  const write = (written: string) => {
    setText(written);
    onPut({
      attributes: written
        .split(",")
        .map((part) => part.trim())
        .filter(Boolean),
    });
  };
  const known = sources.fields.map(({ name }) => name.replace(/^metadata\./, "")).filter((name) => !name.includes("."));
  return (
    <Field
      label="Fields"
      hint={`Dotted paths into the documents' metadata, with commas; up to ten.${known.length > 0 ? ` Seen: ${known.slice(0, 8).join(", ")}` : ""}`}
    >
      {(wiring) => <input {...wiring} value={text} onInput={(event) => write(event.currentTarget.value)} />}
    </Field>
  );
}
