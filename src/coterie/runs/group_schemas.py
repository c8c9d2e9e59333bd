"""Groups over a definition's runs: what is said of them, and what became of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from coterie.api.schemas import DocumentedAs, LogicalOperator, RequestModel

GroupId = Annotated[str, Field(min_length=1, max_length=255)]
Label = Annotated[str, Field(max_length=200)]
MAX_LABELS = 1_000

HUMAN, KEYWORDS, VALUES, LLM = "human", "keywords", "values", "llm"
"""Where a label comes from: a person, the group's keywords, the values that its documents share, a language model."""


class PatchLabelsRequest(RequestModel):
    """Labels by group; an empty one gives the group its own back."""

    labels: dict[GroupId, Label] = Field(min_length=1, max_length=MAX_LABELS)


class PatchLabelsResponse(BaseModel):
    cluster_id: str
    run_id: str
    label_overrides: dict[str, str]


class PatchGroupRequest(RequestModel):
    """`label` null or empty gives the group its own back; `pinned` keeps its label whatever a run finds in it."""

    label: Label | None = None
    pinned: bool | None = None


class MergeGroupRequest(RequestModel):
    into: GroupId


class SplitGroupRequest(RequestModel):
    """Which members go: those of some ids, or those that match filters over members as `/data` shows them."""

    document_ids: list[Annotated[str, Field(min_length=1, max_length=255)]] | None = Field(
        None, min_length=1, max_length=MAX_LABELS
    )
    filters: Annotated[Any, DocumentedAs(LogicalOperator | None)] = None
    label: Label | None = Field(None, description="Of the new group; its keywords where there is none.")


class GroupLabel(BaseModel):
    """A change of a label."""

    by: str | None = Field(description="The id of the API key, or `automatic`; null where that was not kept.")
    label_before: str | None
    label: str
    source: Literal["keywords", "values", "llm", "human"]
    run_id: str | None
    user_id: str | None
    created_at: str


class GroupResponse(BaseModel):
    """A group over the definition's life. `member_count` is null where the newest run does not have it."""

    cluster_id: str
    label: str
    label_source: str
    pinned: bool
    values: dict[str, Any] | None = Field(None, description="Of a group by attributes.")
    first_run_id: str
    first_seen_at: str
    last_run_id: str
    last_seen_at: str
    merged_into: str | None
    merged_groups: list[str]
    member_count: int | None
    keywords: list[str]
    split_from: str | None = None
    split_groups: list[str] = Field(default_factory=list)
    history: list[GroupLabel] = Field(description="The labels that it had, the newest first, at most 100.")


class GroupHistoryResponse(BaseModel):
    cluster_id: str
    group_id: str
    label: str
    label_source: str
    total: int = Field(description="Changes that are kept, at most 1,000: of more the oldest are forgotten.")
    history: list[GroupLabel] = Field(description="The newest first.")


class NamedGroup(BaseModel):
    cluster_id: str
    label: str | None


class SplitGroup(NamedGroup):
    parts: list[str]


class MergedGroup(NamedGroup):
    sources: list[str]


class ResizedGroup(NamedGroup):
    before: int
    after: int


class DriftedGroup(NamedGroup):
    radii: float = Field(description="How far its centroid moved, in radii that the group had.")


class RelabeledGroup(BaseModel):
    cluster_id: str
    before: str | None
    after: str | None


class Flow(BaseModel):
    """Documents that went from one group to another; null is a run that had not the documents."""

    from_: str | None = Field(alias="from")
    to: str | None
    documents: int


class CompareResponse(BaseModel):
    """What changed from one run to the other. `docs/history.md` says by which rules."""

    cluster_id: str
    before: str
    after: str
    documents: dict[str, int]
    agreement: dict[str, float | None]
    born: list[NamedGroup]
    died: list[NamedGroup]
    split: list[SplitGroup]
    merged: list[MergedGroup]
    grown: list[ResizedGroup]
    shrunk: list[ResizedGroup]
    drifted: list[DriftedGroup]
    relabeled: list[RelabeledGroup]
    flows: list[Flow]
    flows_total: int
