"""Write-backs as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from coterie.api.schemas import PaginationResponse, RequestModel
from coterie.clusters.write_back import MAX_MAPPINGS, FieldMapping, check_targets

MAX_CLUSTERINGS = 20
MAX_BATCH = 10_000
"""Members that are written in one transaction."""

Identifier = Annotated[str, Field(min_length=1, max_length=255)]


class ClusteringFieldMapping(FieldMapping):
    """A field to write. Where several clusterings are asked for, `clustering_id` says which of them it is of."""

    clustering_id: Identifier | None = None


def _check_mappings(mappings: list[ClusteringFieldMapping]) -> list[ClusteringFieldMapping]:
    check_targets([mapping.target_field for mapping in mappings])
    return mappings


ClusteringMappings = Annotated[
    list[ClusteringFieldMapping], Field(min_length=1, max_length=MAX_MAPPINGS), AfterValidator(_check_mappings)
]


class ApplyClusterEnrichmentRequest(RequestModel):
    """What to write into documents. A clustering is a definition, by id or name, and then its newest completed run; or
    a run, by its id. `clustering_id` may stand for a `clustering_ids` of one.

    Without `field_mappings` the documents get an entry of `enrichments.clusters` for each clustering.
    """

    clustering_ids: list[Identifier] = Field(min_length=1, max_length=MAX_CLUSTERINGS)
    source_collection_id: Identifier = Field(description="The collection, by id or name, whose documents are written.")
    target_collection_id: Identifier | None = Field(
        None, description="Write into this collection instead; documents that it lacks are copied, without vectors."
    )
    batch_size: int = Field(1000, ge=1, le=MAX_BATCH, description="Members that are written in one transaction.")
    parallelism: int = Field(1, ge=1, le=64, description="Of no effect: batches are written one after the other.")
    field_mappings: ClusteringMappings | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_one(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("clustering_id") is None:
            return data
        if data.get("clustering_ids") is not None:
            raise ValueError("'clustering_id' and 'clustering_ids' say the same thing; send one of them")
        rest = {key: value for key, value in data.items() if key != "clustering_id"}
        return {**rest, "clustering_ids": [data["clustering_id"]]}


class EnrichmentCounts(BaseModel):
    processed: int = Field(description="Members of the runs, in the source collection, that were looked at.")
    enriched: int = Field(description="Those of them whose documents hold now what the run says.")
    failed: int = Field(description="The others; `failures` tells why.")
    batches: int
    unchanged: int = Field(description="Of the enriched, those that held it already.")
    created: int = Field(description="Of the enriched, those whose document was copied to the target collection.")


class ClusteringEnrichmentResponse(EnrichmentCounts):
    enrichment_id: str = Field(description="For `/v1/clusters/enrichments/{enrichment_id}`, and to undo it.")
    task_id: str


class EnrichedClustering(BaseModel):
    clustering_id: str = Field(description="The definition's id, or the run's where it is of none.")
    run_id: str


class EnrichmentFailures(BaseModel):
    gone: int = Field(description="The document was deleted since the run.")
    blocked: int = Field(description="A target lies within a field that is no object.")
    too_large: int = Field(description="The document would be larger than its limit.")


class EnrichmentUndo(BaseModel):
    task_id: str
    restored: int = Field(description="Documents whose fields hold again what they held before.")
    kept: int = Field(
        description="Documents that were changed since in a written field, or copies in any: that is left."
    )
    removed: int = Field(description="Copies in the target collection that were deleted.")
    gone: int = Field(description="Documents that had been deleted.")


class EnrichmentResponse(EnrichmentCounts):
    """A write-back. `status` is `partly_undone` where its undoing was canceled or failed; it can be undone again."""

    enrichment_id: str
    task_id: str
    status: Literal["pending", "processing", "completed", "failed", "canceled", "undoing", "undone", "partly_undone"]
    clusterings: list[EnrichedClustering]
    source_collection_id: str
    target_collection_id: str | None
    field_mappings: list[ClusteringFieldMapping] | None
    batch_size: int
    failures: EnrichmentFailures
    undo: EnrichmentUndo | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None


class ListEnrichmentsResponse(BaseModel):
    results: list[EnrichmentResponse]
    pagination: PaginationResponse
    total_count: int
