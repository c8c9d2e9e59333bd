"""What a run will do: its definition, or a request's configuration, resolved once and kept with the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from coterie.clusters.methods import Loc, check_levels, check_method, check_names, names_of, params_of
from coterie.clusters.schemas import AttributeBasedConfig, VectorBasedConfig
from coterie.clusters.service import check_filters, vector_names_of
from coterie.engine.specs import DEFAULT_SEED, NoReduction, Reduction
from coterie.kit.errors import BadRequest, invalid
from coterie.runs.schemas import ExecuteClusterRequest, FeatureAddress, FeatureVectorRef

DEPTH = 3
"""Levels of a hierarchical run that does not say."""


@dataclass(frozen=True)
class Plan:
    """A run's snapshot. `vector_names` are the names that its vectors may have, the first that a collection has counts;
    for a run by attributes they are empty and `attributes` is not. A document that takes part matches all `filters`.

    With the mode `assign` the documents that came since the definition's newest run join its groups, at a cosine
    similarity of `assignment_threshold` at least if that is given; with `composite` the groups of `source_runs` take
    the place of documents.
    """

    collection_ids: list[str]
    algorithm: str
    params: dict[str, Any]
    vector_names: list[str]
    attributes: list[str]
    hierarchical: bool
    normalize: bool
    sample_size: int | None
    llm_labeling: dict[str, Any]
    metrics: bool
    max_noise_ratio: float | None = None
    max_hierarchy_depth: int = DEPTH
    groups_per_level: list[int] | None = None
    whitening: float | None = None
    reduction: dict[str, Any] | None = None
    vis_n_components: int = 2
    layout_stability: str = "align"
    seed: int = DEFAULT_SEED
    filters: list[dict[str, Any]] = field(default_factory=list)
    mode: str = "full"
    assignment_threshold: float | None = None
    source_runs: list[str] = field(default_factory=list)
    aggregation_method: str | None = None
    aggregation_fields: list[str] = field(default_factory=list)


def of_definition(resource: Mapping[str, Any]) -> Plan:
    """The plan of a stored definition."""
    vector, attribute = resource["vector_config"], resource["attribute_config"]
    common = {
        "collection_ids": resource["input_collections"],
        "llm_labeling": resource["llm_labeling"],
        "filters": [filters] if (filters := resource.get("filters")) else [],
    }
    if attribute is not None:
        config = AttributeBasedConfig.model_validate(attribute)
        return Plan(
            **common,
            algorithm="attribute",
            params={},
            vector_names=[],
            attributes=config.attributes,
            hierarchical=config.hierarchical_grouping,
            normalize=False,
            sample_size=None,
            metrics=False,
            aggregation_method=config.aggregation_method,
            aggregation_fields=config.aggregation_fields,
        )
    by_vector = VectorBasedConfig.model_validate(vector)
    return Plan(
        **common,
        algorithm=by_vector.clustering_method,
        params=asdict(params_of(by_vector, ("vector_config",))),
        vector_names=vector_names_of(by_vector),
        attributes=[],
        hierarchical=by_vector.hierarchical,
        normalize=by_vector.normalize_features,
        sample_size=by_vector.sample_size,
        metrics=True,
        max_noise_ratio=by_vector.max_noise_ratio,
        max_hierarchy_depth=by_vector.max_hierarchy_depth or DEPTH,
        groups_per_level=by_vector.groups_per_level,
        whitening=by_vector.whitening,
        reduction=_reduction(by_vector.dimensionality_reduction),
        vis_n_components=by_vector.vis_n_components,
        layout_stability=by_vector.layout_stability or "align",
    )


def of_request(request: ExecuteClusterRequest, collection_ids: list[str]) -> Plan:
    """The plan of a request's own configuration. Raises BadRequest, Invalid."""
    config = request.config
    depth = config.max_hierarchy_depth if "max_hierarchy_depth" in config.model_fields_set else None
    check_levels(config.hierarchical, depth, config.groups_per_level)
    params = check_method(config.algorithm, config.algorithm_params, ("body", "config", "algorithm_params"))
    if request.sample_size is not None and config.sample_size not in (None, request.sample_size):
        raise BadRequest("'sample_size' and 'config.sample_size' differ; send one of them")
    labeling = config.llm_labeling.model_dump(mode="json", exclude_unset=True) if config.llm_labeling else {}
    return Plan(
        collection_ids=collection_ids,
        algorithm=config.algorithm,
        params=asdict(params),
        vector_names=names_of_reference(config.feature_vector, ("body", "config", "feature_vector")),
        attributes=[],
        hierarchical=config.hierarchical,
        normalize=config.normalize_features,
        sample_size=request.sample_size or config.sample_size,
        llm_labeling=labeling,
        metrics=request.compute_metrics,
        max_noise_ratio=config.max_noise_ratio,
        max_hierarchy_depth=config.max_hierarchy_depth,
        groups_per_level=config.groups_per_level,
        whitening=config.whitening,
        reduction=_reduction(config.dimensionality_reduction),
        vis_n_components=config.vis_n_components,
        filters=[filters] if (filters := check_filters(request.filters)) else [],
    )


def _reduction(asked: Reduction | None) -> dict[str, Any] | None:
    return None if asked is None or isinstance(asked, NoReduction) else asdict(asked)


def names_of_reference(ref: FeatureVectorRef, loc: Loc) -> list[str]:
    """The names that vectors referred to may have. Raises BadRequest, Invalid."""
    if ref.feature_address is not None and ref.vector_name is not None:
        raise BadRequest("'feature_address' and 'vector_name' say the same thing; send one of them")
    address = ref.feature_address
    if isinstance(address, FeatureAddress):
        return check_names([address.output or "", address.extractor], (*loc, "feature_address"))
    if address is not None:
        return names_of(address, (*loc, "feature_address"))
    if ref.vector_name is None:
        raise invalid(loc, "name the vectors by 'feature_address' or 'vector_name'", "missing")
    return check_names([ref.vector_name], (*loc, "vector_name"))
