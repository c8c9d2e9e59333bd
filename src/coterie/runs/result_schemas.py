"""What came of runs, as the API shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from coterie.api.schemas import DocumentedAs, LogicalOperator, PaginationResponse, RequestModel, SortOption
from coterie.clusters.schemas import ClusteringAlgorithm
from coterie.kit.clock import utc_now
from coterie.kit.names import check_name
from coterie.runs.exporting import ExportContent, ExportFormat


def _check_run_name(name: str) -> str:
    return check_name(name, "run name") if name else name


RunName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120), AfterValidator(_check_run_name)]
MAX_PAGE = 100_000
DEFAULT_PAGE = 1_000
MAX_NUMBERS = 200
"""Members asked for by number, each of which may cost the decoding of a row group."""


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


GroupValues = Annotated[
    dict[str, Any] | None, Field(description="Of a group by attributes its value at each path; null is missing.")
]
Aggregates = Annotated[
    dict[str, float | None] | None,
    Field(description="What `aggregation_method` makes of each field, null of no number; `*` counts documents."),
]


class ExecutionGroup(BaseModel):
    cluster_id: str
    num_members: int
    label: str | None = None
    summary: str | None = None
    keywords: list[str] | None = None
    parent_cluster_id: str | None = None
    hierarchy_level: int = 0
    centroid_vector: list[float] | None = Field(None, description="With `include_vectors`.")
    values: GroupValues = None
    aggregates: Aggregates = None


class ExecutionResponse(BaseModel):
    """A run. What is null, and `num_clusters` and `num_points`, are not known before it has completed."""

    model_config = ConfigDict(extra="allow")

    run_id: str
    cluster_id: str | None = None
    status: Literal["pending", "processing", "completed", "failed", "canceled"]
    algorithm: str
    mode: str = "full"
    run_name: str | None = Field(None, description="A run that has a name is not deleted by retention.")
    filters: dict[str, Any] | None = Field(None, description="Which documents took part.")
    num_clusters: int = 0
    num_points: int = 0
    source_documents: int | None = Field(None, description="Documents that the filters left.")
    vectors_retrieved: int | None = Field(None, description="Those of them that have the vector.")
    vectors_clustered: int | None = Field(None, description="Those of these that are no noise.")
    memberships: int | None = Field(
        None, description="Of a grouping by attributes: a document counts once for each of its groups."
    )
    aggregation_method: str | None = None
    aggregates: Aggregates = Field(None, description="Over all documents what a group's `aggregates` are over its own.")
    metrics: dict[str, float] = Field(default_factory=dict)
    centroids: list[ExecutionGroup] | None = Field(None, description="The groups; lists leave them out.")
    created_at: datetime
    completed_at: datetime | None = None
    error_message: str | None = None
    llm_labeling_errors: list[str] | None = Field(None, description="Why groups have keywords for labels, if so.")
    llm_labeling_usage: dict[str, int] | None = Field(
        None, description="Of labels by a language model: `labeled`, `reused` of the run before, `requests`, `tokens`."
    )


class RenameRunRequest(RequestModel):
    """A name of at most 120 characters; an empty one takes the name away."""

    run_name: RunName


class RenameRunResponse(BaseModel):
    cluster_id: str
    run_id: str
    run_name: str | None = None


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


class RunMembersRequest(RequestModel):
    """Numbers of members in the run's order: group by group, nearest first, noise last."""

    numbers: list[Annotated[int, Field(ge=0, le=2**53)]] = Field(min_length=1, max_length=MAX_NUMBERS)


class RunMember(ClusterMemberData):
    number: int


class RunMembersResponse(BaseModel):
    cluster_id: str
    run_id: str
    members: list[RunMember]


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
    proposed: bool = Field(False, description="Made of new documents that fitted into no group.")
    values: GroupValues = None
    aggregates: Aggregates = None


class ClusterGroupsResponse(BaseModel):
    cluster_id: str
    run_id: str | None = None
    total_groups: int
    total_documents: int
    noise_documents: int = 0
    groups: list[ClusterGroup]


class MapGroup(BaseModel):
    cluster_id: str
    cluster_label: str | None = None
    num_members: int
    parent_cluster_id: str | None = None
    hierarchy_level: int = 0
    x: float | None = None
    y: float | None = None
    z: float | None = Field(None, description="On a map of three dimensions.")


class MapPoint(BaseModel):
    document_id: str
    collection_id: str
    cluster_id: str = Field(description="`-1` is noise.")
    cluster_label: str | None = None
    x: float
    y: float
    z: float | None = Field(None, description="On a map of three dimensions.")


class MapPoints(BaseModel):
    """The same as parallel lists."""

    document_ids: list[str]
    collection_ids: list[str]
    cluster_ids: list[str]
    cluster_labels: list[str | None]
    x: list[float]
    y: list[float]
    z: list[float] | None = None


class VisualizationResponse(BaseModel):
    cluster_id: str
    run_id: str
    dimensions: Literal[2, 3]
    total_points: int
    noise_points: int
    centroids: list[MapGroup]
    members: list[MapPoint] | MapPoints


class ExportRequest(RequestModel):
    """What file is wanted, and for how long."""

    format: ExportFormat = ExportFormat.PARQUET
    content: ExportContent = Field(ExportContent.MEMBERS, description="A row a document, or a row a group.")
    cluster_label: str | None = Field(None, max_length=1_000, description="One group, by id or label.")
    expires_in_seconds: int = Field(3_600, ge=60, le=86_400, description="How long the link opens.")


class TemporaryLink(BaseModel):
    """A file behind a link that opens without a key."""

    cluster_id: str
    run_id: str
    format: ExportFormat
    filename: str
    download_url: str = Field(description="Whoever has it can fetch the file until it expires.")
    expires_at: str


class ExportLink(BaseModel):
    """For a client that takes JSON only: where the file is, to be fetched with the same key and namespace."""

    cluster_id: str
    run_id: str
    format: str
    filename: str
    download_url: str


class ArtifactsResponse(BaseModel):
    model_config = ConfigDict(extra="allow")

    cluster_id: str
    run_id: str
    parquet_path: str
    members_key: str
    files: list[dict[str, Any]]
    centroids: list[ClusterCentroid] = Field(default_factory=list)
    members: list[dict[str, Any]] = Field(default_factory=list)
