"""Runs as the API takes them; `result_schemas` says how it shows what came of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from coterie.api.schemas import DocumentedAs, RequestModel
from coterie.clusters.schemas import (
    NOISE_BUDGET,
    AnyParams,
    AnyReduction,
    ClusteringAlgorithm,
    CollectionIds,
    Filters,
    GroupsPerLevel,
    LLMLabeling,
    MapDimensions,
    Whitening,
)
from coterie.engine.specs import DEFAULT_SEED, MOST_SWEPT


class FeatureAddress(BaseModel):
    """Where vectors come from: `scheme://extractor@version/output` in parts. The output may be left out."""

    scheme: str = Field("mixpeek", max_length=64)
    extractor: str = Field(max_length=255)
    version: str = Field(max_length=64)
    output: str | None = Field(None, max_length=255)


class FeatureVectorRef(RequestModel):
    """`feature_address` as an object or as `scheme://extractor@version/output`, or `vector_name`."""

    feature_address: FeatureAddress | Annotated[str, Field(max_length=512)] | None = None
    vector_name: str | None = Field(None, max_length=255)


class ClusteringConfig(RequestModel):
    """What to compute, in the body of a request. `normalize_features` scales vectors to length one first; then they are
    whitened and reduced, if asked for, and clustered."""

    algorithm: ClusteringAlgorithm
    algorithm_params: Annotated[Any, DocumentedAs(AnyParams)] = None
    feature_vector: FeatureVectorRef
    additional_features: list[str] = Field(default_factory=list, max_length=0)
    normalize_features: bool = True
    whitening: Whitening = None
    dimensionality_reduction: AnyReduction = None
    vis_n_components: MapDimensions = 2
    hierarchical: bool = Field(False, description="Groups of groups above the groups.")
    max_hierarchy_depth: int = Field(3, ge=1, le=5, description="Levels of `hierarchical`, the groups included.")
    groups_per_level: GroupsPerLevel = None
    max_noise_ratio: float | None = Field(None, ge=0, le=1, description=NOISE_BUDGET)
    llm_labeling: LLMLabeling | None = None
    batch_size: int = Field(1000, ge=1, description="Of no effect: reading is batched by size in bytes.")
    parallelism: int = Field(4, ge=1, description="Of no effect: a run uses the cores of its worker.")
    sample_size: int | None = Field(None, ge=2, le=1_000_000)


class ExecuteClusterRequest(RequestModel):
    """A run without a stored definition. `store_results` keeps it readable under its `run_id`;
    `save_artifacts` keeps its Parquet files even where the results are not stored."""

    collection_ids: CollectionIds
    config: ClusteringConfig
    filters: Filters = None
    sample_size: int | None = Field(None, ge=2, le=1_000_000)
    store_results: bool = True
    include_members: bool = False
    compute_metrics: bool = True
    save_artifacts: bool = False


class SuggestClustersRequest(RequestModel):
    """What to find a definition for. `sample_size` documents are looked at; the sweep ends with the budget."""

    collection_ids: CollectionIds
    feature_vector: FeatureVectorRef
    algorithms: list[Literal["kmeans", "hdbscan", "agglomerative", "gaussian_mixture"]] = Field(
        ["kmeans", "hdbscan", "agglomerative", "gaussian_mixture"], min_length=1, max_length=4
    )
    normalize_features: bool = True
    sample_size: int = Field(3_000, ge=10, le=MOST_SWEPT)
    time_budget_seconds: int = Field(60, ge=1, le=3600)
    random_state: int = Field(DEFAULT_SEED, ge=0, lt=2**31)


class ExecuteByIdRequest(RequestModel):
    """What differs for this run only. A document takes part if it matches the definition's filters and these."""

    mode: Literal["full", "assign", "composite"] = Field(
        "full",
        description="`assign`: documents that came since the newest run join its groups. `composite`: the groups of "
        "other runs are grouped.",
    )
    assignment_threshold: float | None = Field(
        None, ge=0, le=1, description="Of `assign`: the least cosine similarity to a group's centroid."
    )
    source_execution_ids: list[Annotated[str, Field(max_length=255)]] | None = Field(
        None, min_length=1, max_length=100, description="Of `composite`: runs, or definitions for their newest ones."
    )
    sample_size: int | None = Field(None, ge=2, le=1_000_000)
    filters: Filters = None
    llm_labeling: LLMLabeling | None = None
    vis_n_components: Literal[2, 3] | None = None
