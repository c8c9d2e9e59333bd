/** The algorithms, and where the API's document describes the parameters of each. */
import type { Cluster, Schemas } from "../../api/types";

export type Method = Schemas["ClusteringAlgorithm"];

interface MethodInfo {
  title: string;
  about: string;
  /** The name of its parameters' schema. */
  schema: keyof Schemas;
  /** The parameters that matter first; the others are folded away. */
  main: readonly string[];
}

export const METHODS: Record<Method, MethodInfo> = {
  hdbscan: {
    title: "HDBSCAN",
    about: "Dense regions of any number and shape; what lies between is noise.",
    schema: "HDBSCANParams",
    main: ["min_cluster_size", "min_samples"],
  },
  kmeans: {
    title: "k-means",
    about: "As many groups as you say, each around its centre.",
    schema: "KMeansParams",
    main: ["n_clusters"],
  },
  dbscan: {
    title: "DBSCAN",
    about: "Dense regions by one distance for all.",
    schema: "DBSCANParams",
    main: ["eps", "min_samples"],
  },
  agglomerative: {
    title: "Agglomerative",
    about: "Joins the nearest, step by step, to as many groups as you say.",
    schema: "AgglomerativeParams",
    main: ["n_clusters", "linkage", "distance_threshold"],
  },
  spectral: {
    title: "Spectral",
    about: "Cuts the graph of neighbours; for some thousands of documents.",
    schema: "SpectralParams",
    main: ["n_clusters", "gamma"],
  },
  gaussian_mixture: {
    title: "Gaussian mixture",
    about: "Overlapping groups of elliptic shape.",
    schema: "GaussianMixtureParams",
    main: ["n_components", "covariance_type"],
  },
  mean_shift: {
    title: "Mean shift",
    about: "Peaks of the density within a bandwidth.",
    schema: "MeanShiftParams",
    main: ["bandwidth"],
  },
  optics: {
    title: "OPTICS",
    about: "Dense regions of different densities.",
    schema: "OPTICSParams",
    main: ["min_samples", "min_cluster_size"],
  },
};

/** How a definition groups, in a word or two. */
export function methodOf(row: Cluster): string {
  if (row.cluster_type === "attribute") return `by ${row.attribute_config?.attributes.join(", ") ?? "attributes"}`;
  const method = row.vector_config?.clustering_method;
  return method === undefined ? "–" : METHODS[method].title;
}

/** The parameters that a definition gives its algorithm, in whichever spelling. */
export function paramsOf(row: Cluster): Record<string, unknown> {
  const config = (row.vector_config ?? {}) as Record<string, unknown>;
  const own = config[`${String(config.clustering_method)}_parameters`] ?? config.algorithm_params;
  return (own ?? {}) as Record<string, unknown>;
}
