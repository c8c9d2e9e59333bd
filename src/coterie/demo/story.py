"""What the demo does and prints, step by step."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from coterie.client import Client
from coterie.demo import digits, texts

BATCH = 500
DIGITS: tuple[dict[str, Any], ...] = (
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
TEXT_MAP: dict[str, Any] = {
    "feature_extractor_name": texts.EXTRACTOR,
    "dimensionality_reduction": {"method": "umap", "n_components": 5},
}
TEXTS: tuple[dict[str, Any], ...] = (
    {
        "cluster_name": "texts_hdbscan",
        "cluster_type": "vector",
        "vector_config": {
            **TEXT_MAP,
            "clustering_method": "hdbscan",
            "hdbscan_parameters": {"min_cluster_size": 40},
        },
    },
    {
        "cluster_name": "texts_kmeans",
        "cluster_type": "vector",
        "vector_config": {**TEXT_MAP, "clustering_method": "kmeans", "kmeans_parameters": {"n_clusters": 8}},
    },
)
Step = Callable[[float], None]


@dataclass(frozen=True)
class Story:
    """What is imported and clustered: a collection, its documents, definitions over it, and the field of a document
    that says what it is, which no vector knows of. `embeds`: the service makes the vectors."""

    collection: Mapping[str, Any]
    documents: Iterable[dict[str, Any]]
    definitions: tuple[dict[str, Any], ...]
    tells: str
    embeds: bool = False

    @property
    def name(self) -> str:
        """The collection's name."""
        name: str = self.collection["name"]
        return name


def of_digits() -> Story:
    """The digits, with their pixels as vectors."""
    collection = {"name": "digits", "description": "1,797 handwritten digits, 8x8 pixels"}
    return Story(collection, digits.documents(), DIGITS, "digit")


def of_texts() -> Story:
    """The texts of this machine, without vectors. Raises texts.Missing saying what to install."""
    found = texts.find_texts()
    extractor = {"feature_extractor_name": texts.EXTRACTOR, "version": "v1", "input_mappings": {"text": "text"}}
    collection = {"name": "texts", "description": found.title, "feature_extractors": [extractor]}
    return Story(collection, found.documents, TEXTS, "category", embeds=True)


def load(client: Client, story: Story, step: Step) -> int:
    """Import the documents, reporting the share done; how many there are. Raises ApiError, RuntimeError."""
    client.create_collection(**story.collection)
    items = list(story.documents)
    for start in range(0, len(items), BATCH):
        written = client.write_documents(story.name, items[start : start + BATCH])
        if written["failed"]:
            raise RuntimeError(f"{written['failed']} documents were refused")
        step(min(start + BATCH, len(items)) / len(items))
    return len(items)


def define(client: Client, story: Story) -> list[str]:
    """Create the definitions; their names."""
    return [
        client.create_cluster({**definition, "collection_ids": [story.name]})["cluster_name"]
        for definition in story.definitions
    ]


def table_of(client: Client, story: Story, name: str) -> tuple[list[str], list[list[str]]]:
    """The titles and rows of a definition's groups: size, label, what most members are, its share, nearest examples."""
    groups = client.groups(name)
    members: dict[str, Counter[Any]] = {}
    for member in client.data(name, include_centroids=False, include_members=True, limit=10_000)["members"]:
        members.setdefault(member["cluster_label"], Counter())[member["metadata"][story.tells]] += 1
    rows = [_row(group, members[group["cluster_id"]]) for group in groups["groups"]]
    if groups["noise_documents"]:
        most, count = members["-1"].most_common(1)[0]
        share = f"{count / groups['noise_documents']:.0%}"
        rows.append(["-1", str(groups["noise_documents"]), "in no group", str(most), share, ""])
    return ["group", "size", "label", "mostly", "purity", f"nearest {story.name}"], rows


def _row(group: Mapping[str, Any], members: Counter[Any]) -> list[str]:
    most, count = members.most_common(1)[0]
    examples = " ".join(name.removeprefix("digit-") for name in group["representative_documents"][:4])
    purity = f"{count / group['member_count']:.0%}"
    return [group["cluster_id"], str(group["member_count"]), group["label"], str(most), purity, examples]


def list_body(story: Story) -> dict[str, Any]:
    """The body of the demo's list request."""
    conditions = [
        {"field": "cluster_type", "operator": "eq", "value": "vector"},
        {"field": "num_clusters", "operator": "gte", "value": 10 if story.name == "digits" else 2},
    ]
    sort = {"field": "cluster_name", "direction": "asc"}
    return {"filters": {"AND": conditions}, "sort": sort, "search": story.name}


def curl_of(story: Story, url: str, key: str) -> str:
    """The exact command for the demo's list request."""
    body = json.dumps(list_body(story), indent=2)
    return (
        f"curl --request POST \\\n  --url '{url}/v1/clusters/list?limit=2' \\\n"
        f"  --header 'Authorization: Bearer {key}' \\\n"
        f"  --header 'Content-Type: application/json' \\\n  --data '{body}'"
    )
