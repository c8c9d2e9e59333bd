"""The HTTP application: routers, error handlers and the layers around them."""

from collections.abc import Callable
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select

from coterie import __version__
from coterie.api import errors
from coterie.api.bodies import BodyLimit
from coterie.api.context import Context, Services
from coterie.api.errors import ERRORS, UNAVAILABLE, json_response
from coterie.api.health import HealthCheckResponse, check_health, live_workers
from coterie.api.observe import Metrics, Observe
from coterie.clusters.routes import router as clusters
from coterie.console.cookie import CookieKey
from coterie.console.routes import router as console
from coterie.documents.routes import routers as documents
from coterie.enrichment.routes import router as enrichment
from coterie.features.routes import router as features
from coterie.jobs.queue import OPEN, PENDING
from coterie.kit.clock import parse_iso
from coterie.kit.errors import Unavailable
from coterie.runs.execution_routes import router as executions
from coterie.runs.group_routes import router as groups
from coterie.runs.map_routes import router as maps
from coterie.runs.result_routes import links
from coterie.runs.result_routes import router as results
from coterie.runs.routes import router as runs
from coterie.store.tables import tasks
from coterie.tasks.events import Listeners
from coterie.tasks.routes import router as task_routes
from coterie.tenancy.routes import namespace, organization
from coterie.triggers.routes import router as triggers
from coterie.webhooks.routes import router as webhooks

health = APIRouter(tags=["Health"])


def create_app(services: Services, closing: Callable[[], bool] = lambda: False) -> FastAPI:
    """The app on its services; streams end when `closing` says that the server is about to."""
    app = FastAPI(
        title="Coterie",
        version=__version__,
        description="Finds the groups in a team's embeddings and keeps them. "
        "Send `Authorization: Bearer sk_…`; `X-Namespace` chooses a namespace by name or id.",
        redirect_slashes=False,
        docs_url=None,  # the console's own page, which loads nothing from elsewhere
        redoc_url=None,
    )
    app.state.services = services
    app.state.metrics = Metrics()
    app.state.closing = closing
    app.state.listeners = Listeners()
    app.state.health_limiter = CapacityLimiter(1)
    errors.install(app)
    # The framework tries routes one after the other: the one that is asked most comes first, and
    # `triggers/{trigger_id}` before `{cluster_id}/groups` and its like.
    for router in (
        clusters,
        triggers,
        enrichment,
        runs,
        executions,
        results,
        links,
        links,
        maps,
        groups,
        *documents,
        features,
        task_routes,
        namespace,
        organization,
        webhooks,
        health,
        console,
    ):
        app.include_router(router)
    settings = services.settings
    app.add_middleware(
        BodyLimit,
        limit=settings.json_body_limit,
        refuse=errors.refuse_body,
    )
    app.add_middleware(CookieKey)
    app.add_middleware(Observe, metrics=app.state.metrics, on_error=errors.render_unknown)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The API's document, with the key as a security scheme."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


@health.get("/v1/health", response_model=HealthCheckResponse, responses=ERRORS)
def healthcheck(services: Context, deep: Annotated[bool, Query()] = False) -> Response:
    """Whether the service's parts answer; `deep` also wants a live worker."""
    return json_response(check_health(services, deep))


@health.get("/healthz", include_in_schema=False)
async def healthz() -> Response:
    """The process answers, however busy its threads are."""
    return json_response({"status": "OK"})


@health.get("/readyz", include_in_schema=False, responses=UNAVAILABLE)
async def readyz(request: Request, services: Context) -> Response:
    """The process can serve: its records answer. Asked in a thread of its own, not in one that requests wait for."""
    limiter: CapacityLimiter = request.app.state.health_limiter
    state = await to_thread.run_sync(check_health, services, False, limiter=limiter)
    if state["status"] != "OK":
        raise Unavailable("not ready", 1, {"errors": state["errors"]})
    return json_response({"status": "OK"})


@health.get("/metrics", include_in_schema=False)
def metrics(request: Request, services: Context) -> Response:
    """Prometheus metrics of this process and the counts of tasks and workers."""
    numbers: Metrics = request.app.state.metrics
    numbers.workers.set(live_workers(services))
    counted = select(tasks.c.status, func.count(), func.min(tasks.c.created_at)).where(tasks.c.status.in_(OPEN))
    with services.db.read() as tx:
        found = {row[0]: row[1:] for row in tx.execute(counted.group_by(tasks.c.status))}
    for status in OPEN:
        numbers.open_tasks.labels(status).set(found.get(status, (0, None))[0])
    oldest = found.get(PENDING, (0, None))[1]
    age = 0.0 if oldest is None else (services.clock.now() - parse_iso(oldest)).total_seconds()
    numbers.oldest_waiting.set(max(age, 0.0))
    return Response(generate_latest(numbers.registry), media_type=CONTENT_TYPE_LATEST)
