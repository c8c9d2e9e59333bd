"""Runs as the API takes and shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from coterie.api.schemas import DocumentedAs, LogicalOperator, PaginationResponse, RequestModel, SortOption
from coterie.clusters.schemas import (
    NOISE_BUDGET,
    AnyParams,
    AnyReduction,
    ClusteringAlgorithm,
    CollectionIds,
    GroupsPerLevel,
    LLMLabeling,
    MapDimensions,
    Whitening,
)
from coterie.engine.specs import DEFAULT_SEED, MOST_SWEPT
from coterie.kit.clock import utc_now

MAX_PAGE = 100_000
DEFAULT_PAGE = 1_000


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
    """What differs for this run only."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = {"mode": "full", "assignment_threshold": 0.5}

    sample_size: int | None = Field(None, ge=2, le=1_000_000)
    llm_labeling: LLMLabeling | None = None
    vis_n_components: Literal[2, 3] | None = None


class ClusterCentroid(BaseModel):
    cluster_id: str
    centroid_vector: list[float]
    feature_name: str
    feature_dimensions: int
    num_members: int = 0
    variance: float | None = None
    label: str | None = None
    summary: str | None = None
    keywords: list[str] | None = None
    effective_features: dict[str, Any] = Field(default_factory=dict)
    feature_statistics: dict[str, dict[str, float]] = Field(default_factory=dict)
    parent_cluster_id: str | None = None
    child_cluster_ids: list[str] = Field(default_factory=list)
    hierarchy_level: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict)


class ClusterMemberData(BaseModel):
    document_id: str
    cluster_label: str = Field(description="The group's id; `-1` is noise.")
    distance_to_centroid: float
    coordinates: list[float] = Field(description="On the run's map; empty where it has none.")
    metadata: dict[str, Any] = Field(default_factory=dict)


class ExecuteClusterResponse(BaseModel):
    success: bool
    run_id: str = Field(default_factory=str)
    algorithm: ClusteringAlgorithm
    num_clusters: int
    num_documents: int
    centroids: list[ClusterCentroid]
    metrics: dict[str, float] = Field(default_factory=dict)
    parquet_path: str | None = None
    members_key: str | None = None
    execution_time_ms: int
    created_at: datetime = Field(default_factory=utc_now)
    members: list[ClusterMemberData] | None = Field(None, description="With `include_members`: up to 100,000.")
    warnings: list[str] = Field(default_factory=list)
    llm_labeling_errors: list[str] = Field(default_factory=list)


class ExecutionResponse(BaseModel):
    """A run. What is null is not known before it has completed."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    cluster_id: str | None = None
    status: Literal["pending", "processing", "completed", "failed", "canceled"]
    algorithm: str
    num_clusters: int | None = None
    num_points: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at: datetime
    completed_at: datetime | None = None
    error_message: str | None = None
    llm_labeling_errors: list[str] | None = None


class ListExecutionsResponse(BaseModel):
    results: list[ExecutionResponse]
    pagination: PaginationResponse
    total_count: int


class ClusterDataRequest(RequestModel):
    """`cluster_id`, where given, is a group of the run (`cl_0`; `-1` is noise) or the definition itself.

    `filters`, `sort` and `search` are those of the list endpoints, over the members as they are shown.
    """

    cluster_id: str | None = Field(None, max_length=255)
    include_centroids: bool = True
    include_members: bool = False
    limit: int | None = Field(None, ge=1, le=MAX_PAGE)
    offset: int = Field(0, ge=0, le=2**62)
    filters: Annotated[Any, DocumentedAs(LogicalOperator)] = None
    sort: Annotated[Any, DocumentedAs(SortOption)] = None
    search: Annotated[Any, DocumentedAs(str)] = None
    case_sensitive: bool = False

    def asked(self) -> dict[str, Any]:
        """What the list language is to read."""
        return self.model_dump(include={"filters", "sort", "search", "case_sensitive"}, exclude_none=True)


class ClusterCentroidData(BaseModel):
    cluster_label: str
    centroid_vector: list[float]
    num_members: int
    metadata: dict[str, Any] = Field(default_factory=dict)


class ClusterDataResponse(BaseModel):
    cluster_id: str
    centroids: list[ClusterCentroidData] = Field(default_factory=list)
    members: list[ClusterMemberData] = Field(default_factory=list)
    total_clusters: int
    total_members: int


class ClusterGroup(BaseModel):
    cluster_id: str
    label: str | None = None
    summary: str | None = None
    keywords: list[str] = Field(default_factory=list)
    member_count: int
    parent_cluster_id: str | None = None
    hierarchy_level: int = 0
    representative_documents: list[str] = Field(default_factory=list, description="Nearest to the centroid first.")


class ClusterGroupsResponse(BaseModel):
    cluster_id: str
    run_id: str | None = None
    total_groups: int
    total_documents: int
    noise_documents: int = 0
    groups: list[ClusterGroup]


class ArtifactsResponse(BaseModel):
    model_config = ConfigDict(extra="allow")

    cluster_id: str
    run_id: str
    parquet_path: str
    members_key: str
    files: list[dict[str, Any]]
    centroids: list[ClusterCentroid] = Field(default_factory=list)
    members: list[dict[str, Any]] = Field(default_factory=list)
