"""A run's manifest is enough to carry it out again."""

import os
import subprocess
import sys
from collections.abc import Callable

import orjson

from conftest import Service
from runs.support import run
from support import HDBSCAN, add_cluster, add_collection


def replay(service: Service, run_id: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **service.place.environment}
    command = [sys.executable, "-m", "coterie", "replay", run_id, "--data-dir", str(service.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_a_run_is_replayed_until_its_data_changes(run_service: Callable[..., Service]) -> None:
    service = run_service()
    with service.client() as client:
        add_collection(client)
        condition = {"field": "metadata.text", "operator": "ne", "value": "none such"}
        cluster = add_cluster(client, filters={"AND": [condition]})["cluster_id"]
        run_id = run(client, cluster)["additional_data"]["run_id"]
        item = {"document_id": "later", "vectors": {"bring_your_own": [0.0, 0.0, 0.0, 0.0]}}
        client.post("/v1/collections/things/documents", json=item)
        same = replay(service, run_id)
        assert (same.returncode, same.stdout) == (0, f"{run_id}: 60 documents, 3 groups: the labels are the same\n")
        assert not list((service.data_dir / "scratch").glob("[!.]*"))
        [manifest] = service.files(f"{run_id}/manifest.json")
        held = orjson.loads(service.artifacts.read(manifest))
        assert {"coterie", "numpy", "scipy", "scikit-learn", "numba"} <= held["versions"].keys()
        service.artifacts.write(
            manifest, orjson.dumps({**held, "plan": {**held["plan"], "params": {"min_cluster_size": 21}}})
        )
        other = replay(service, run_id)
        assert (other.returncode, "DIFFER" in other.stdout) == (1, True)
        service.artifacts.write(manifest, orjson.dumps({**held, "versions": {**held["versions"], "numpy": "1.0"}}))
        assert "numpy: 1.0 then, " in replay(service, run_id).stdout
        client.put("/v1/collections/things/documents/d000", json={"vectors": {"bring_your_own": [1.0, 2.0, 3.0, 4.0]}})
        changed = replay(service, run_id)
        assert (changed.returncode, "the data has changed" in changed.stderr) == (1, True)
        assert "does not exist" in replay(service, "run_unknown").stderr
        body = {"attributes": ["text"]}
        by_value = add_cluster(client, "values", vector_config=None, cluster_type="attribute", attribute_config=body)[
            "cluster_id"
        ]
        assert "only a run by vectors" in replay(service, run(client, by_value)["additional_data"]["run_id"]).stderr


def test_a_run_on_a_sample_is_replayed_on_the_same(run_service: Callable[..., Service]) -> None:
    service = run_service()
    reduction = {"method": "pca", "n_components": 2}
    with service.client() as client:
        add_collection(client)
        config = {**HDBSCAN, "sample_size": 40, "dimensionality_reduction": reduction}
        run_id = run(client, add_cluster(client, vector_config=config)["cluster_id"])["additional_data"]["run_id"]
    same = replay(service, run_id)
    assert (same.returncode, same.stdout) == (0, f"{run_id}: 60 documents, 3 groups: the labels are the same\n")
    assert not list((service.data_dir / "scratch").glob("[!.]*"))
