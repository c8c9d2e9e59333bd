/** What a definition can be made of: the collections, the vectors that they have, and the fields of their documents. */
import { api, take } from "../../api/client";
import type { FieldHint } from "../../filters/FilterBuilder";
import { useLoad } from "../../ui/load";
import { count } from "../../ui/texts";

const MOST_COLLECTIONS = 1_000;
const LOOKED_AT = 20;

export interface Vector {
  name: string;
  dimensions: number;
}

export interface Sources {
  /** Null while they are loading. */
  collections: { name: string; documents: number }[] | null;
  /** Of the chosen collections. */
  vectors: Vector[];
  fields: FieldHint[];
}

export function useSources(chosen: readonly string[]): Sources {
  const listed = useLoad("collections", async (signal) => {
    const { results } = await take(
      api.POST("/v1/collections/list", { params: { query: { limit: MOST_COLLECTIONS } }, body: {}, signal }),
    );
    return results.map((each) => ({ name: each.collection_name, documents: each.document_count ?? 0 }));
  });
  const looked = useLoad(chosen.length === 0 ? null : chosen.join("\n"), (signal) => look(chosen, signal));
  return { collections: listed.data, vectors: looked.data?.vectors ?? [], fields: looked.data?.fields ?? [] };
}

async function look(
  chosen: readonly string[],
  signal: AbortSignal,
): Promise<{ vectors: Vector[]; fields: FieldHint[] }> {
  const [vectors, fields] = await Promise.all([
    Promise.all(chosen.map((name) => vectorsOf(name, signal))),
    Promise.all(chosen.map((name) => fieldsOf(name, signal))),
  ]);
  const [byName, names] = [new Map(vectors.flat().map((each) => [each.name, each])), new Set(fields.flat())];
  return { vectors: [...byName.values()], fields: [...names].sort().map((name) => ({ name })) };
}

async function vectorsOf(name: string, signal: AbortSignal): Promise<Vector[]> {
  const path = { collection_identifier: name };
  const { features } = await take(
    api.GET("/v1/collections/{collection_identifier}/features", { params: { path }, signal }),
  );
  return features.map(({ vector_index }) => ({ name: vector_index.name, dimensions: vector_index.dimensions ?? 0 }));
}

/** The metadata's fields, as far as the newest documents show them. */
async function fieldsOf(name: string, signal: AbortSignal): Promise<string[]> {
  const path = { collection_identifier: name };
  const { results } = await take(
    api.POST("/v1/collections/{collection_identifier}/documents/list", {
      params: { path, query: { limit: LOOKED_AT } },
      body: {},
      signal,
    }),
  );
  return results.flatMap((each) => Object.keys((each.metadata ?? {}) as object).map((key) => `metadata.${key}`));
}

interface Props {
  sources: Sources;
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}

/** The collections to choose among. */
export function Collections({ sources, chosen, onChange }: Props) {
  const toggle = (name: string, on: boolean) =>
    onChange(on ? [...chosen, name] : chosen.filter((each) => each !== name));
  return (
    <fieldset class="plain">
      <legend class="legend">Collections</legend>
      <div class="choices">
        {(sources.collections ?? []).map(({ name, documents }) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={(event) => toggle(name, event.currentTarget.checked)}
            />
            <span class="cut" title={name}>
              {name}
            </span>
            <span class="muted small num">{count(documents)}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
