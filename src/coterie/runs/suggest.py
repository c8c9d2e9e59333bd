"""The job that suggests a definition: a sample of the vectors, a sweep over it, and the table that comes of it."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from coterie.api.context import Services, Tenant
from coterie.compute.memory import usable
from coterie.documents.collections import find_collections
from coterie.engine.memory import MOST_ROWS
from coterie.engine.specs import REDUCTIONS, SPECS, HDBSCANParams, Params
from coterie.jobs import queue
from coterie.jobs.job import Canceled, Job
from coterie.kit.ids import new_id
from coterie.runs.loading import find_vectors, sample_of, save_vectors
from coterie.runs.plan import names_of_reference
from coterie.runs.schemas import SuggestClustersRequest

JOB = "cluster.suggest"


def start_suggestion(tx: Connection, tenant: Tenant, request: SuggestClustersRequest, now: str) -> dict[str, Any]:
    """Write the task of a suggestion; the task. Raises NotFound, Invalid, BadRequest."""
    found = find_collections(tx, tenant, request.collection_ids)
    names = names_of_reference(request.feature_vector, ("body", "feature_vector"))
    payload = {
        "suggestion_id": new_id("suggestion"),
        "internal_id": tenant.internal_id,
        "namespace_id": tenant.namespace_id,
        "collection_ids": [row.id for row in found],
        "asked_for": request.collection_ids,
        "vector_names": names,
        **request.model_dump(mode="json", include={"algorithms", "normalize_features", "sample_size"}),
        **request.model_dump(mode="json", include={"time_budget_seconds", "random_state"}),
    }
    task = queue.NewTask(
        tenant.org_id,
        tenant.namespace_id,
        JOB,
        "engine_cluster_build",
        payload,
        inputs=tuple(payload["collection_ids"]),
    )
    return queue.submit(tx, task, now)


class ClusterSuggestion:
    """The handler of the job."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def run(self, job: Job, payload: Mapping[str, Any]) -> list[Any]:
        """Sweep, and end the task with the table; its output is the recommended definition."""
        folder = self._scratch(payload)
        loaded = job.step("load", lambda: self._load(payload, folder), share=0.02)
        arguments = {"folder": str(folder), "asked": dict(payload), "memory": usable(self.services.settings)}
        sweep = job.compute("sweep", "coterie.runs.stages:sweep", arguments, begin=0.1, end=0.95)
        found = job.step("sweep", sweep, share=0.1)
        shutil.rmtree(folder, ignore_errors=True)
        return [job.step("publish", lambda: self._publish(job, payload, loaded, found), share=0.95)]

    def ended(self, tx: Connection, payload: Mapping[str, Any], status: str, error: str | None) -> None:
        """Nothing was made but files of the moment."""
        shutil.rmtree(self._scratch(payload), ignore_errors=True)

    def _scratch(self, payload: Mapping[str, Any]) -> Path:
        return self.services.settings.scratch_dir / str(payload["suggestion_id"])

    def _load(self, payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        tenant = Tenant("", payload["internal_id"], "", frozenset(), payload["namespace_id"], "")
        members = find_vectors(self.services, tenant, payload["collection_ids"], payload["vector_names"])
        sample = sample_of(members, payload["sample_size"], payload["random_state"])
        save_vectors(self.services, sample, folder)
        total, sampled = (sum(len(each.pks) for each in part) for part in (members, sample))
        feature = next(each.space.name for each in members if len(each.pks))
        return {"documents": total, "documents_sampled": sampled, "feature": feature}

    def _publish(
        self,
        job: Job,
        payload: Mapping[str, Any],
        loaded: Mapping[str, Any],
        found: Mapping[str, Any],
    ) -> dict[str, Any]:
        share = loaded["documents_sampled"] / loaded["documents"]
        table = [
            {"rank": rank, "vector_config": _config(payload, loaded, each, share), **each["measures"]}
            for rank, each in enumerate(found["judged"], 1)
        ]
        best = {
            "collection_ids": payload["asked_for"],
            "cluster_type": "vector",
            "vector_config": table[0]["vector_config"],
        }
        counts = {key: loaded[key] for key in ("documents", "documents_sampled")}
        with self.services.db.write() as tx:
            if not job.complete(tx, [best], recommended=best, suggestions=table, left_out=found["left_out"], **counts):
                raise Canceled
        return best


def _config(
    payload: Mapping[str, Any], loaded: Mapping[str, Any], judged: Mapping[str, Any], share: float
) -> dict[str, Any]:
    """A `vector_config` of what was judged, for all documents: a group's smallest size grows with their number, and an
    algorithm that cannot take so many gets a sample."""
    spec = SPECS[judged["algorithm"]](**judged["params"])
    params = _telling(spec)
    if isinstance(spec, HDBSCANParams):
        params["min_cluster_size"] = round(spec.min_cluster_size / share)
    config: dict[str, Any] = {
        "feature_extractor_name": loaded["feature"],
        "clustering_method": judged["algorithm"],
        "algorithm_params": params,
        "normalize_features": payload["normalize_features"],
    }
    if judged["reduction"]["method"] != "none":
        config["dimensionality_reduction"] = asdict(REDUCTIONS[judged["reduction"]["method"]](**judged["reduction"]))
    if loaded["documents"] > MOST_ROWS.get(type(spec), loaded["documents"]):
        config["sample_size"] = loaded["documents_sampled"]
    return config


def _telling(spec: Params) -> dict[str, Any]:
    """The parameters that differ from their defaults, and the first, which says how many groups or how large ones."""
    plain = type(spec)()
    names = [each.name for each in fields(spec)]
    return {
        name: getattr(spec, name) for name in names if name == names[0] or getattr(spec, name) != getattr(plain, name)
    }
