"""What the demo does and prints, step by step."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from coterie.client import Client
from coterie.demo.digits import documents

COLLECTION = "digits"
BATCH = 500
DEFINITIONS: tuple[dict[str, Any], ...] = (
    {
        "cluster_name": "digits_hdbscan",
        "cluster_type": "vector",
        "vector_config": {
            "feature_extractor_name": "bring_your_own",
            "clustering_method": "hdbscan",
            "hdbscan_parameters": {"min_cluster_size": 20, "min_samples": 3},
        },
    },
    {
        "cluster_name": "digits_kmeans",
        "cluster_type": "vector",
        "vector_config": {
            "feature_extractor_name": "bring_your_own",
            "clustering_method": "kmeans",
            "kmeans_parameters": {"n_clusters": 10},
        },
    },
    {
        "cluster_name": "digits_by_label",
        "cluster_type": "attribute",
        "attribute_config": {"attributes": ["digit"]},
    },
)
LIST_BODY = {
    "filters": {
        "AND": [
            {"field": "cluster_type", "operator": "eq", "value": "vector"},
            {"field": "num_clusters", "operator": "gte", "value": 10},
        ]
    },
    "sort": {"field": "cluster_name", "direction": "asc"},
    "search": "digits",
}
Step = Callable[[float], None]


def load(client: Client, step: Step) -> int:
    """Import the digits, reporting the share done; how many there are. Raises ApiError, RuntimeError."""
    client.create_collection(COLLECTION, description="1,797 handwritten digits, 8x8 pixels")
    items = list(documents())
    for start in range(0, len(items), BATCH):
        written = client.write_documents(COLLECTION, items[start : start + BATCH])
        if written["failed"]:
            raise RuntimeError(f"{written['failed']} digits were refused")
        step(min(start + BATCH, len(items)) / len(items))
    return len(items)


def define(client: Client) -> list[str]:
    """Create the three definitions; their names."""
    return [
        client.create_cluster({**definition, "collection_ids": [COLLECTION]})["cluster_name"]
        for definition in DEFINITIONS
    ]


def table_of(client: Client, name: str) -> tuple[list[str], list[list[str]]]:
    """The titles and rows of a definition's groups: size, label, most common digit and its share, nearest examples."""
    groups = client.groups(name)
    members: dict[str, Counter[int]] = {}
    for member in client.data(name, include_centroids=False, include_members=True, limit=10_000)["members"]:
        members.setdefault(member["cluster_label"], Counter())[member["metadata"]["digit"]] += 1
    rows = [_row(group, members[group["cluster_id"]]) for group in groups["groups"]]
    if groups["noise_documents"]:
        digit, count = members["-1"].most_common(1)[0]
        share = f"{count / groups['noise_documents']:.0%}"
        rows.append(["-1", str(groups["noise_documents"]), "in no group", str(digit), share, ""])
    return ["group", "size", "label", "mostly", "purity", "nearest digits"], rows


def _row(group: Mapping[str, Any], digits: Counter[int]) -> list[str]:
    digit, count = digits.most_common(1)[0]
    examples = " ".join(name.removeprefix("digit-") for name in group["representative_documents"][:4])
    purity = f"{count / group['member_count']:.0%}"
    return [group["cluster_id"], str(group["member_count"]), group["label"], str(digit), purity, examples]


def curl_of(url: str, key: str) -> str:
    """The exact command for the demo's list request."""
    body = json.dumps(LIST_BODY, indent=2)
    return (
        f"curl --request POST \\\n  --url '{url}/v1/clusters/list?limit=2' \\\n"
        f"  --header 'Authorization: Bearer {key}' \\\n"
        f"  --header 'Content-Type: application/json' \\\n  --data '{body}'"
    )
