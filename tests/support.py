"""What several rooms' tests need: collections of vectors, definitions, runs."""

from typing import Any

import numpy as np
import orjson
from httpx import Client
from numpy.typing import NDArray
from sqlalchemy import select, update

from coterie.api.context import Services
from coterie.engine.specs import (
    AgglomerativeParams,
    DBSCANParams,
    GaussianMixtureParams,
    HDBSCANParams,
    KMeansParams,
    MeanShiftParams,
    OPTICSParams,
    Params,
    SpectralParams,
)
from coterie.jobs import queue
from coterie.store.tables import runs

KMEANS = {
    "feature_extractor_name": "bring_your_own",
    "clustering_method": "kmeans",
    "kmeans_parameters": {"n_clusters": 3},
}
HDBSCAN = {
    "feature_extractor_name": "bring_your_own",
    "clustering_method": "hdbscan",
    "hdbscan_parameters": {"min_cluster_size": 5},
}

THREE: dict[str, Params] = {
    "kmeans": KMeansParams(n_clusters=3),
    "dbscan": DBSCANParams(eps=2),
    "hdbscan": HDBSCANParams(),
    "agglomerative": AgglomerativeParams(n_clusters=3),
    "spectral": SpectralParams(n_clusters=3, gamma=0.1),
    "gaussian_mixture": GaussianMixtureParams(n_components=3),
    "mean_shift": MeanShiftParams(bandwidth=3),
    "optics": OPTICSParams(min_cluster_size=10),
}
"""Of every algorithm the parameters that find the three groups of `blobs`."""


def blobs(groups: int = 3, size: int = 20, dimensions: int = 4, seed: int = 0) -> NDArray[np.float32]:
    """Well separated groups of equal size, one after the other."""
    random = np.random.default_rng(seed)
    centres = np.eye(max(groups, dimensions))[:groups, :dimensions] * 20
    return np.vstack([centre + random.normal(0, 0.5, (size, dimensions)) for centre in centres]).astype(np.float32)


def add_collection(client: Client, name: str = "things", vectors: NDArray[np.float32] | None = None) -> str:
    """A collection with a document per vector; its id. Payloads say the group and hold a text."""
    made = client.post("/v1/collections", json={"collection_name": name})
    assert made.status_code == 200, made.text
    rows = blobs() if vectors is None else vectors
    documents = [
        {
            "document_id": f"d{number:03}",
            "metadata": {
                "group": number * 3 // len(rows),
                "text": ("apple", "river", "piano")[number * 3 // len(rows)],
            },
            "vectors": {"bring_your_own": row.tolist()},
        }
        for number, row in enumerate(rows)
    ]
    for start in range(0, len(documents), 1000):
        written = client.post(
            f"/v1/collections/{name}/documents/batch", json={"documents": documents[start : start + 1000]}
        )
        assert written.json()["failed"] == 0, written.text
    identity: str = made.json()["collection_id"]
    return identity


def add_cluster(client: Client, name: str = "groups", collection: str = "things", **config: Any) -> dict[str, Any]:
    """A definition over a collection."""
    body = {"cluster_name": name, "collection_ids": [collection], "vector_config": HDBSCAN, **config}
    made = client.post("/v1/clusters", json=body)
    assert made.status_code == 200, made.text
    shown: dict[str, Any] = made.json()
    return shown


def add_enrichment(client: Client, services: Services, cluster_id: str, collection_id: str) -> str:
    """A write-back that waits, of a run that counted as completed when it was asked for; its id."""
    own = update(runs).where(runs.c.cluster_id == cluster_id)
    with services.db.write() as tx:
        before = tx.execute(select(runs.c.status, runs.c.resource).where(runs.c.cluster_id == cluster_id)).one()
        resource = orjson.dumps({**orjson.loads(before.resource), "num_points": 1}).decode()
        tx.execute(own.values(status=queue.COMPLETED, resource=resource))
    body = {"clustering_ids": [cluster_id], "source_collection_id": collection_id}
    task = client.post("/v1/clusters/enrich", params={"async": True}, json=body)
    assert task.status_code == 200, task.text
    with services.db.write() as tx:
        tx.execute(own.values(status=before.status, resource=before.resource))
    identity: str = task.json()["additional_data"]["enrichment_id"]
    return identity
