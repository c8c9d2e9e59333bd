"""Which algorithm a configuration asks for, checked: every parameter is honoured or refused by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from coterie.clusters.schemas import AGGREGATIONS, AttributeBasedConfig, ClusteringAlgorithm, VectorBasedConfig
from coterie.engine.specs import SPECS, Params, refusals
from coterie.features.registry import is_well_formed, vector_name
from coterie.kit.errors import BadRequest, Invalid, Issue, invalid
from coterie.listing.values import is_path

Loc = tuple[str | int, ...]


def check_method(method: ClusteringAlgorithm, given: Mapping[str, Any] | None, loc: Loc) -> Params:
    """The parameters of an algorithm. Raises BadRequest for a value that cannot be honoured, Invalid for a parameter
    that is unknown or of the wrong type, each by its name."""
    kind = SPECS[method]
    if given is not None and not isinstance(given, dict):
        raise invalid(loc, "parameters are an object")
    known = {field.name for field in fields(kind)}
    for name in given or {}:
        if name not in known:
            raise invalid((*loc, name), f"'{method}' has no parameter '{name}'", "extra_forbidden")
    try:
        params: Params = TypeAdapter(kind).validate_python(dict(given or {}))
    except ValidationError as error:
        raise Invalid([Issue((*loc, *e["loc"]), e["msg"], e["type"]) for e in error.errors()]) from error
    for name, advice in refusals(params):
        raise BadRequest(f"{method} parameter '{name}' = {getattr(params, name)!r} cannot be honoured: {advice}")
    return params


def params_of(config: VectorBasedConfig, loc: Loc) -> Params:
    """The parameters of a stored definition, in either spelling but not in both."""
    method = config.clustering_method
    own = f"{method}_parameters"
    spelled = {
        name: getattr(config, name)
        for name in ("kmeans_parameters", "dbscan_parameters", "hdbscan_parameters", "algorithm_params")
        if getattr(config, name) is not None
    }
    for name in spelled:
        if name not in (own, "algorithm_params"):
            raise BadRequest(f"'{name}' are not the parameters of clustering_method '{method}'; send '{own}'")
    if len(spelled) > 1:
        raise BadRequest(f"'{own}' and 'algorithm_params' say the same thing; send one of them")
    name, given = next(iter(spelled.items()), ("algorithm_params", None))
    return check_method(method, given, (*loc, name))


def check_levels(hierarchical: bool, depth: int | None, per_level: Sequence[int] | None) -> None:
    """Whether a hierarchy's levels make sense together. Raises BadRequest."""
    if per_level is None:
        return
    if not hierarchical:
        raise BadRequest("'groups_per_level' needs 'hierarchical': true")
    if any(below <= above for above, below in pairwise(per_level)):
        raise BadRequest("'groups_per_level' goes from the top down: each level has more groups than the one above it")
    if depth is not None and len(per_level) >= depth:
        raise BadRequest(
            f"'groups_per_level' has {len(per_level)} levels above the groups: raise 'max_hierarchy_depth'"
        )


def check_attributes(config: AttributeBasedConfig) -> None:
    """Whether a grouping's paths and aggregation make sense together. Raises BadRequest."""
    for name in ("attributes", "aggregation_fields"):
        for path in getattr(config, name):
            if not is_path(path):
                raise BadRequest(f"'{path}' in '{name}' is not a path: keys joined by dots, none of them empty")
    if len(set(config.attributes)) < len(config.attributes):
        raise BadRequest("'attributes' names a path twice: leave one of them out")
    method = config.aggregation_method
    if method is None and config.aggregation_fields:
        raise BadRequest(f"'aggregation_fields' needs an 'aggregation_method': one of {', '.join(AGGREGATIONS)}")
    if method is not None and method not in AGGREGATIONS:
        raise BadRequest(f"'aggregation_method' is one of {', '.join(AGGREGATIONS)}")
    if method not in (None, "count") and not config.aggregation_fields:
        raise BadRequest(f"the aggregation_method '{method}' needs 'aggregation_fields': the paths of its numbers")


def names_of(uri: str, loc: Loc) -> list[str]:
    """The names that vectors of a feature address `scheme://extractor@version/output` may have: output, extractor.

    Scheme, version and output may be left out. Raises Invalid.
    """
    rest = uri.partition("://")[2] if "://" in uri else uri
    address, _, output = rest.partition("/")
    return check_names([output, address.partition("@")[0]], loc)


def check_names(names: Sequence[str], loc: Loc) -> list[str]:
    """The vector names, those that are empty left out. Raises Invalid when none is left or one cannot be a name."""
    found = list(dict.fromkeys(vector_name(name) for name in names if name))
    if not found or not all(map(is_well_formed, found)):
        raise invalid(
            loc,
            "name an extractor: 1 to 100 letters, digits, '_', '.' or '-', or scheme://extractor@version/output",
        )
    return found
