/** A definition while it is being written, and the requests that come of it. */
import { ApiError } from "../../api/client";
import type { Schemas } from "../../api/types";
import type { Json } from "../../filters/tree";
import type { Method } from "./methods";
import type { Faults, Values } from "./ParamsForm";

export interface Draft {
  name: string;
  description: string;
  collections: readonly string[];
  type: "vector" | "attribute";
  /** The name of the vectors. */
  vector: string;
  method: Method;
  params: Values;
  /** What else a `vector_config` says, besides the method and the reduction. */
  options: Values;
  reduction: Reduction;
  reductionParams: Values;
  attributes: readonly string[];
  filters: Json | null;
}

export type Reduction = "none" | "pca" | "umap" | "tsne";

export const EMPTY: Draft = {
  name: "",
  description: "",
  collections: [],
  type: "vector",
  vector: "",
  method: "hdbscan",
  params: {},
  options: {},
  reduction: "none",
  reductionParams: {},
  attributes: [],
  filters: null,
};

export const PREVIEW_SAMPLE = 2_000;

/** What is still missing, in words; null when the draft can be sent. */
export function missingIn(draft: Draft): string | null {
  if (draft.collections.length === 0) return "Choose a collection.";
  if (draft.type === "vector" && draft.vector === "") return "Name the vectors to group by.";
  if (draft.type === "attribute" && draft.attributes.length === 0) return "Name a field to group by.";
  return null;
}

/** The body of `POST /v1/clusters`. */
export function definitionOf(draft: Draft): Json {
  const { name, description, collections, type, filters } = draft;
  return {
    collection_ids: collections,
    ...(name.trim() && { cluster_name: name.trim() }),
    ...(description.trim() && { description: description.trim() }),
    cluster_type: type,
    ...(type === "vector"
      ? { vector_config: vectorConfig(draft) }
      : { attribute_config: { attributes: draft.attributes } }),
    ...(filters && { filters }),
  };
}

function vectorConfig(draft: Draft): Json {
  return {
    feature_extractor_name: draft.vector,
    clustering_method: draft.method,
    ...(Object.keys(draft.params).length > 0 && { algorithm_params: draft.params }),
    ...draft.options,
    ...reductionOf(draft),
  };
}

function reductionOf({ reduction, reductionParams }: Draft): Json {
  return reduction === "none" ? {} : { dimensionality_reduction: { method: reduction, ...reductionParams } };
}

/** The body of `POST /v1/clusters/execute`: the same on a sample, of which nothing is kept. */
export function previewOf(draft: Draft): Json {
  const { layout_stability: _, sample_size, ...options } = draft.options;
  return {
    collection_ids: draft.collections,
    config: {
      algorithm: draft.method,
      algorithm_params: draft.params,
      feature_vector: { vector_name: draft.vector },
      normalize_features: false,
      ...options,
      ...reductionOf(draft),
    },
    sample_size: Math.min(PREVIEW_SAMPLE, typeof sample_size === "number" ? sample_size : PREVIEW_SAMPLE),
    store_results: false,
    ...(draft.filters && { filters: draft.filters }),
  };
}

/** The draft with the method and the parameters of a `vector_config`, such as the service suggests. */
export function withConfig(draft: Draft, config: Schemas["VectorBasedConfig"]): Draft {
  const { clustering_method, algorithm_params, dimensionality_reduction, feature_extractor_name, ...options } = config;
  const { method: reduction = "none", ...reductionParams } = (dimensionality_reduction ?? {}) as { method?: Reduction };
  return {
    ...draft,
    method: clustering_method,
    vector: feature_extractor_name || draft.vector,
    params: (algorithm_params ?? {}) as Values,
    options: options as Values,
    reduction,
    reductionParams: reductionParams as Values,
  };
}

/** What the API refused, by the last word of its place; the rest of it as one text. */
export function faultsOf(error: unknown): { fields: Faults; general: string | null } {
  if (error === null) return { fields: {}, general: null };
  const issues = error instanceof ApiError ? error.issues : [];
  const fields = Object.fromEntries(issues.map(({ loc, msg }) => [String(loc.at(-1)), msg]));
  return { fields, general: error instanceof Error ? error.message : String(error) };
}
