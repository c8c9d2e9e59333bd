"""Cluster definitions as the API takes and shows them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field

from coterie.api.schemas import DocumentedAs, ListRequest, LogicalOperator, PaginationResponse, RequestModel
from coterie.clusters.write_back import SourceEnrichmentConfig
from coterie.engine.specs import DBSCANParams, HDBSCANParams, KMeansParams, Params, Reduction
from coterie.kit.clock import utc_now
from coterie.kit.names import check_name
from coterie.labeling.options import Parameters, check_parameters
from coterie.tasks.schemas import TaskStatusEnum

ClusterName = Annotated[str, AfterValidator(check_name)]
CollectionIds = Annotated[list[str], Field(min_length=1, max_length=100)]
AnyParams = Params | dict[str, Any] | None
WRITES_BACK = "Write the groups of each run into the documents of its collections."


class ClusterType(StrEnum):
    """Groups of like vectors, or of equal attributes."""

    VECTOR = "vector"
    ATTRIBUTE = "attribute"


class ClusteringAlgorithm(StrEnum):
    """The algorithms."""

    KMEANS = "kmeans"
    DBSCAN = "dbscan"
    HDBSCAN = "hdbscan"
    AGGLOMERATIVE = "agglomerative"
    SPECTRAL = "spectral"
    GAUSSIAN_MIXTURE = "gaussian_mixture"
    MEAN_SHIFT = "mean_shift"
    OPTICS = "optics"


GroupsPerLevel = Annotated[
    list[Annotated[int, Field(ge=2, le=5000)]] | None,
    Field(max_length=4, description="With `hierarchical`: how many groups of groups each level has, from the top."),
]
AnyReduction = Annotated[Reduction | None, Field(discriminator="method", description="Cluster in fewer dimensions.")]
Whitening = Annotated[
    float | None,
    Field(gt=0, le=1e6, description="Soft ZCA: variances are evened out, the less the greater this (try 0.1 to 1)."),
]
MapDimensions = Annotated[Literal[2, 3], Field(description="Of the map that a run draws.")]
NOISE_BUDGET = "At most this share of the documents stays noise; the best placed of the rest join the nearest groups."


AutoExecute = Annotated[bool, Field(description="Run by itself after documents have been written to a collection.")]
MinDocuments = Annotated[
    int | None, Field(ge=0, le=1_000_000_000, description="Not before the collections hold so many documents.")
]
Cooldown = Annotated[int, Field(ge=0, le=366 * 24 * 3600, description="Between two such runs, at least.")]


class InputMapping(RequestModel):
    """A payload field that labels are made of."""

    input_key: str = Field("text", max_length=255, description="Of no effect: the model is shown the path.")
    source_type: Literal["payload"] = "payload"
    path: str = Field(min_length=1, max_length=255, description="Dotted, into the document's metadata.")


class LabelingInputs(RequestModel):
    """What keywords and labels are made of; without it, all of the payload."""

    input_mappings: list[InputMapping] = Field(min_length=1, max_length=20)


class LLMLabeling(RequestModel):
    """Labels by a language model. Stored always; without a provider the labels are keywords, and the run says so."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = {
        "sample_selection_strategy": "nearest",
        "use_embedding_dedup": True,
        "embedding_similarity_threshold": 0.8,
        "cache_ttl_seconds": 604800,
        "sample_text_max_length": 200,
    }

    enabled: bool = False
    provider: Literal["openai", "google"] | None = Field(None, description="Without it, the one that is configured.")
    model_name: str | None = Field(None, min_length=1, max_length=255)
    include_summary: bool = True
    include_keywords: bool = True
    max_samples_per_cluster: int = Field(10, ge=1, le=100)
    custom_prompt: str | None = Field(None, max_length=8192, description="What labels should be like; it is added.")
    labeling_inputs: LabelingInputs | None = Field(None, description="Of keywords too.")
    parameters: Annotated[dict[str, Any], AfterValidator(check_parameters)] = Field(
        default_factory=dict, description=f"Of each request: {', '.join(Parameters.model_fields)}."
    )


class VectorBasedConfig(RequestModel):
    """Grouping by vectors. `algorithm_params` are those of `clustering_method`; `…_parameters` are the older spelling.

    `feature_uri` (`scheme://extractor@version/output`) may stand for `feature_extractor_name`.
    """

    NEUTRAL: ClassVar[Mapping[str, Any]] = {
        "multi_feature_strategy": "concatenate",
        "output_strategy": "single",
        "effective_feature_method": "mean",
        "enrich_source": False,
    }

    feature_extractor_name: str = Field(default_factory=str, max_length=255)
    feature_uri: str | None = Field(None, max_length=512)
    clustering_method: ClusteringAlgorithm
    sample_size: int | None = Field(None, ge=2, le=1_000_000)
    kmeans_parameters: Annotated[Any, DocumentedAs(KMeansParams | dict[str, Any] | None)] = None
    dbscan_parameters: Annotated[Any, DocumentedAs(DBSCANParams | dict[str, Any] | None)] = None
    hdbscan_parameters: Annotated[Any, DocumentedAs(HDBSCANParams | dict[str, Any] | None)] = None
    algorithm_params: Annotated[Any, DocumentedAs(AnyParams)] = None
    normalize_features: bool = Field(False, description="Scale every vector to length one first.")
    hierarchical: bool = Field(False, description="Groups of groups above the groups.")
    max_hierarchy_depth: int | None = Field(None, ge=1, le=5, description="Levels of `hierarchical`, with the groups.")
    groups_per_level: GroupsPerLevel = None
    max_noise_ratio: float | None = Field(None, ge=0, le=1, description=NOISE_BUDGET)
    whitening: Whitening = None
    dimensionality_reduction: AnyReduction = None
    vis_n_components: MapDimensions = 2
    layout_stability: Literal["align", "transform", "none"] | None = Field(
        None,
        description="What becomes of the last run's map: `align` (the default) turns the new one to fit, `transform` "
        "leaves documents where they were and places new ones among them, `none` draws anew.",
    )


AGGREGATIONS = ("count", "sum", "avg", "min", "max")
PayloadPath = Annotated[str, Field(min_length=1, max_length=255)]


class AttributeBasedConfig(RequestModel):
    """Grouping by payload fields: dotted paths into a document's metadata."""

    attributes: list[PayloadPath] = Field(min_length=1, max_length=10)
    hierarchical_grouping: bool = Field(False, description="A level of groups for each attribute, from the first down.")
    aggregation_method: str | None = Field(
        None, max_length=64, description="Of each group's `aggregation_fields`: `count`, `sum`, `avg`, `min` or `max`."
    )
    aggregation_fields: list[PayloadPath] = Field(
        default_factory=list, max_length=10, description="Paths of numbers; `count` without any counts documents."
    )


Filters = Annotated[Any, DocumentedAs(LogicalOperator | None)]
"""Which documents take part: the filters of the documents' lists, a payload's fields being `metadata.…`."""


class Retention(RequestModel):
    """Which runs a definition keeps. What is left out is as the server's settings say; null keeps all.

    Ended runs beyond the newest `max_runs`, or that ended more than `max_days` ago, are deleted with their files; the
    newest completed run and those that have a name stay.
    """

    max_runs: int | None = Field(None, ge=1, le=1_000_000)
    max_days: int | None = Field(None, ge=1, le=36_500)


class CreateClusterRequest(RequestModel):
    collection_ids: CollectionIds
    cluster_name: ClusterName | None = None
    description: str | None = Field(None, max_length=4096)
    metadata: dict[str, Any] | None = None
    cluster_type: ClusterType = ClusterType.VECTOR
    vector_config: VectorBasedConfig | None = None
    attribute_config: AttributeBasedConfig | None = None
    llm_labeling: LLMLabeling = Field(default_factory=LLMLabeling)
    auto_execute_on_batch: AutoExecute = False
    auto_execute_min_documents: MinDocuments = None
    auto_execute_cooldown_seconds: Cooldown = 3600
    enrich_source_collection: bool = Field(False, description=WRITES_BACK)
    source_enrichment_config: SourceEnrichmentConfig | None = None
    filters: Filters = None
    retention: Retention | None = None


class PatchClusterRequest(RequestModel):
    """What of a definition can be changed; `name` is short for `cluster_name`."""

    cluster_name: ClusterName | None = None
    name: ClusterName | None = None
    description: str | None = Field(None, max_length=4096)
    metadata: dict[str, Any] | None = None
    llm_labeling: LLMLabeling | None = None
    auto_execute_on_batch: AutoExecute | None = None
    auto_execute_min_documents: MinDocuments = None
    auto_execute_cooldown_seconds: Cooldown | None = None
    enrich_source_collection: bool | None = Field(None, description=WRITES_BACK)
    source_enrichment_config: SourceEnrichmentConfig | None = None
    filters: Filters = None
    retention: Retention | None = None


class ClusterStats(BaseModel):
    """`silhouette_score` is 0 where it is undefined, and `extra.silhouette_score` is then null."""

    num_clusters: int
    noise_points: int
    silhouette_score: float
    extra: dict[str, Any] = Field(default_factory=dict)


class ClusterModel(BaseModel):
    collection_ids: list[str] = Field(min_length=1)
    cluster_name: str | None = None
    cluster_type: ClusterType = ClusterType.VECTOR
    vector_config: VectorBasedConfig | None = None
    attribute_config: AttributeBasedConfig | None = None
    llm_labeling: LLMLabeling = Field(default_factory=LLMLabeling)
    cluster_id: str = Field(default_factory=str)
    parquet_path: str | None = None
    members_key: str | None = None
    num_clusters: int | None = None
    cluster_stats: ClusterStats | None = None
    status: TaskStatusEnum = TaskStatusEnum.PENDING
    task_id: str | None = None
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    description: str | None = None
    metadata: dict[str, Any] | None = None
    auto_execute_on_batch: bool = False
    auto_execute_min_documents: int | None = None
    auto_execute_cooldown_seconds: int = 3600
    filters: dict[str, Any] | None = None
    retention: dict[str, int | None] | None = None
    namespace_id: str | None = None
    input_collections: list[str] = Field(default_factory=list, description="The collections' ids.")
    last_run_id: str | None = None
    num_documents_clustered: int | None = None
    last_executed_at: datetime | None = None
    error: str | None = None
    llm_labeling_errors: list[str] | None = None
    enrich_source_collection: bool = False
    source_enrichment_config: SourceEnrichmentConfig | None = None


class ListClustersRequest(ListRequest):
    """Lists of definitions speak the list language like every other."""


class ClusterListStats(BaseModel):
    """Over all definitions of the namespace."""

    total_clusters: int
    total_documents: int
    avg_documents_per_cluster: float
    clusters_by_status: dict[str, int]


class ListClustersResponse(BaseModel):
    results: list[ClusterModel]
    pagination: PaginationResponse
    total_count: int
    stats: ClusterListStats
