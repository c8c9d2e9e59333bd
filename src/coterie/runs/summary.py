"""What a definition shows of its newest run, and is found by."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def definition_summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition shows of a completed run, by what the run shows."""
    silhouette = run["metrics"].get("silhouette_score")
    return {
        **{key: run[key] for key in ("num_clusters", "parquet_path", "members_key", "llm_labeling_errors")},
        "num_documents_clustered": run["num_points"],
        "cluster_stats": {
            "num_clusters": run["num_clusters"],
            "noise_points": run["noise_points"],
            "silhouette_score": 0.0 if silhouette is None else silhouette,
            "extra": {**run["metrics"], "silhouette_score": silhouette, "warnings": run["warnings"]},
        },
    }


def run_text(groups: Iterable[tuple[str | None, Sequence[str]]]) -> str:
    """By what a definition is found besides its own texts: labels and keywords of its groups."""
    return "\n".join(word for label, keywords in groups for word in (label or "", *keywords))
