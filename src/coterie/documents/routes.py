"""Routes of collections and documents."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from coterie.api.bodies import StrictRoute, read_json
from coterie.api.context import Context, Creator, Deleter, Reader, Services, Tenant, Updater
from coterie.api.errors import CONFLICT, ERRORS, json_response
from coterie.api.schemas import DocumentedAs, ErrorResponse, GenericDeleteResponse
from coterie.documents import collections, queries, service
from coterie.documents.collection_schemas import (
    CollectionResponse,
    CreateCollectionRequest,
    DescribeCollectionFeaturesResponse,
    ListCollectionsRequest,
    ListCollectionsResponse,
)
from coterie.documents.delimited import CSV
from coterie.documents.importing import ImportFile, import_documents
from coterie.documents.mappings import mappings_of
from coterie.documents.payload_indexes import declare_for_collection
from coterie.documents.reading import ARROW, NDJSON, PARQUET, ColumnMap, parse_vector_columns
from coterie.documents.schemas import (
    BatchRequest,
    BatchResponse,
    DocumentCreateRequest,
    DocumentResponse,
    DocumentUpdateRequest,
    ImportResponse,
    ListDocumentsRequest,
    ListDocumentsResponse,
)
from coterie.documents.waiting import require_usable, start_embedding
from coterie.kit.clock import iso
from coterie.kit.errors import BadRequest, CoterieError
from coterie.listing.answer import Listed, write_answer
from coterie.listing.filters import parse_flag
from coterie.listing.syntax import parse_list
from coterie.tasks.schemas import TaskResponse

collection = APIRouter(prefix="/v1/collections", tags=["Collections"], route_class=StrictRoute, responses=ERRORS)
document = APIRouter(
    prefix="/v1/collections/{collection_identifier}/documents",
    tags=["Documents"],
    route_class=StrictRoute,
    responses=ERRORS,
)
routers = (collection, document)

SPOOL_BYTES = 1024 * 1024
_BODY = {"schema": {"type": "string", "format": "binary"}}
_IMPORT: dict[str, Any] = {
    "requestBody": {"required": True, "content": dict.fromkeys((PARQUET[0], ARROW[0], NDJSON[0], CSV[0]), _BODY)}
}
_BATCH: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": BatchRequest.model_json_schema()}}}
}
_WRONG_TYPE: dict[int | str, dict[str, Any]] = {415: {"model": ErrorResponse, "description": "Unsupported Media Type"}}


class UnsupportedMediaType(CoterieError):
    """The body is of a type that import does not read."""

    status = 415
    type = "UnsupportedMediaTypeError"


@collection.post("", response_model=CollectionResponse, responses=CONFLICT)
def create_collection(body: CreateCollectionRequest, tenant: Creator, services: Context) -> Response:
    """A new collection."""
    request = body.model_dump(mode="json")
    if body.source is not None:
        request["source"] = body.source.model_dump(mode="json", exclude_unset=True)
    with services.db.write() as tx:
        now = iso(services.clock.now())
        made = collections.create_collection(tx, tenant, request, now, declare_for_collection)
    return Response(made, media_type="application/json")


@collection.post("/list", response_model=ListCollectionsResponse)
def list_collections(
    request: Request,
    tenant: Reader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListCollectionsRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The namespace's collections by the list language."""
    query = parse_list(body, profile=collections.PROFILE, limit=limit, offset=offset)
    with services.db.read() as tx:
        listed = collections.list_collections(tx, tenant, query)
    return Response(write_answer(listed, query, request.url.path, collections.PROFILE), media_type="application/json")


@collection.get("/{collection_identifier}", response_model=CollectionResponse)
def get_collection(collection_identifier: str, tenant: Reader, services: Context) -> Response:
    """One collection, by id or name."""
    with services.db.read() as tx:
        row = collections.find_collection(tx, tenant, collection_identifier)
    return Response(row.resource, media_type="application/json")


@collection.patch("/{collection_identifier}", response_model=CollectionResponse, responses=CONFLICT)
def update_collection(collection_identifier: str, body: dict[str, Any], tenant: Updater, services: Context) -> Response:
    """Change a collection's name, description or metadata."""
    with services.db.write() as tx:
        now, follow = iso(services.clock.now()), services.on_collection_renamed
        changed = collections.update_collection(tx, tenant, collection_identifier, body, now, follow)
    return Response(changed, media_type="application/json")


@collection.delete("/{collection_identifier}", status_code=204)
def delete_collection(collection_identifier: str, tenant: Deleter, services: Context) -> Response:
    """Delete a collection with its documents and vectors. Definitions that use it stay; their runs will fail."""
    with services.db.write() as tx:
        collection_id = collections.delete_collection(tx, tenant, collection_identifier, iso(services.clock.now()))
    services.vectors.drop(tenant.namespace_id, collection_id)
    collections.delete_documents(services.db, collection_id)
    return Response(status_code=204)


@collection.get("/{collection_identifier}/features", response_model=DescribeCollectionFeaturesResponse)
def describe_collection_features_route(collection_identifier: str, tenant: Reader, services: Context) -> Response:
    """What vectors the documents have."""
    with services.db.read() as tx:
        return json_response(collections.describe_features(tx, tenant, collection_identifier))


@collection.post("/{collection_identifier}/embed", response_model=TaskResponse)
def embed_collection(collection_identifier: str, tenant: Updater, services: Context) -> Response:
    """Make the vectors that the collection's mapped fields call for: those that are missing, those of what has changed,
    and those that failed before. Vectors that documents brought along stay."""
    with services.db.write() as tx:
        row = collections.find_collection(tx, tenant, collection_identifier)
        require_usable(services.settings.models_path, mappings_of(orjson.loads(row.resource)))
        task = start_embedding(tx, tenant, row.id, iso(services.clock.now()), everything=True)
    return json_response(task)


@document.post("", response_model=DocumentResponse)
def create_document(
    collection_identifier: str, body: DocumentCreateRequest, tenant: Creator, services: Context
) -> Response:
    """Write a document; one that has the same `document_id` is replaced."""
    made = service.create_document(services, tenant, collection_identifier, body)
    return Response(made, media_type="application/json")


@document.post("/list", response_model=ListDocumentsResponse)
def list_documents(
    collection_identifier: str,
    request: Request,
    tenant: Reader,
    services: Context,
    body: Annotated[Any, Body(), DocumentedAs(ListDocumentsRequest)] = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Response:
    """The collection's documents by the list language; payload fields are `metadata.…`."""
    query = parse_list(body, profile=queries.PROFILE, limit=limit, offset=offset)
    flag = body.get("return_vectors") if isinstance(body, dict) else None
    wanted = parse_flag(flag, ("body", "return_vectors"), False)
    with services.db.read() as tx:
        collection_id = collections.find_collection(tx, tenant, collection_identifier).id
        listed, keys = queries.list_documents(tx, tenant, collection_id, query)
    if wanted:
        shown = queries.with_vectors(services.vectors, tenant, collection_id, listed.results, keys)
        listed = Listed([orjson.dumps(each).decode() for each in shown], listed.total)
    return Response(write_answer(listed, query, request.url.path, queries.PROFILE), media_type="application/json")


@document.post("/batch", response_model=BatchResponse, openapi_extra=_BATCH)
async def write_documents(collection_identifier: str, request: Request, tenant: Creator, services: Context) -> Response:
    """Write up to 1,000 documents; each is taken or refused on its own."""
    try:
        given = await read_json(request, services.settings.batch_body_limit)
    except ClientDisconnect as error:
        raise BadRequest("the request was cut off: nothing was written") from error
    return await run_in_threadpool(_write_batch, services, tenant, collection_identifier, given)


def _write_batch(services: Services, tenant: Tenant, collection_identifier: str, given: Any) -> Response:
    try:
        batch = BatchRequest.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from error
    results = service.write_raw(services, tenant, collection_identifier, batch.documents)
    failed = sum(result["error"] is not None for result in results)
    return json_response({"results": results, "succeeded": len(results) - failed, "failed": failed})


def _columns(
    id_column: Annotated[str | None, Query(max_length=255)] = None,
    vector_column: Annotated[list[str] | None, Query(max_length=32)] = None,
    skip_column: Annotated[list[str] | None, Query(max_length=1000, description="Columns that are left out.")] = None,
) -> ColumnMap:
    return ColumnMap(id_column, parse_vector_columns(vector_column or ()), skip_column or ())


@document.post("/import", response_model=ImportResponse, responses=_WRONG_TYPE, openapi_extra=_IMPORT)
async def import_file(
    collection_identifier: str,
    request: Request,
    tenant: Creator,
    services: Context,
    columns: Annotated[ColumnMap, Depends(_columns)],
    strict: bool = False,
) -> Response:
    """Import a Parquet file, an Arrow IPC stream, NDJSON or CSV, of any length.

    Faulty rows are reported by number and the rest lands; with `strict` it is all or nothing.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in (*PARQUET, *ARROW, *NDJSON, *CSV):
        raise UnsupportedMediaType(f"send {PARQUET[0]}, {ARROW[0]}, {NDJSON[0]} or {CSV[0]} as Content-Type")
    with tempfile.NamedTemporaryFile(dir=services.settings.scratch_dir, prefix="import-") as spool:
        held: list[bytes] = []
        try:
            async for chunk in request.stream():
                held.append(chunk)
                if sum(map(len, held)) >= SPOOL_BYTES:
                    await run_in_threadpool(spool.write, b"".join(held))
                    held.clear()
        except ClientDisconnect as error:
            raise BadRequest("the upload was cut off: nothing was imported") from error
        await run_in_threadpool(spool.write, b"".join(held))
        await run_in_threadpool(spool.flush)
        file = ImportFile(Path(spool.name), content_type, columns, strict)
        report = await run_in_threadpool(import_documents, services, tenant, collection_identifier, file)
    return json_response(report)


@document.get("/{document_id}", response_model=DocumentResponse)
def get_document(
    collection_identifier: str,
    document_id: str,
    tenant: Reader,
    services: Context,
    return_url: bool | None = False,
    return_vectors: bool | None = False,
) -> Response:
    """One document, with its vectors if asked for. There are no stored files, so `presigned_url` is null."""
    with services.db.read() as tx:
        collection_id = collections.find_collection(tx, tenant, collection_identifier).id
        row = queries.find_document(tx, tenant, collection_id, document_id)
    if not return_vectors:
        return Response(row.resource, media_type="application/json")
    shown = queries.with_vectors(services.vectors, tenant, collection_id, [row.resource], [row.vectors])
    return json_response(shown[0])


@document.put("/{document_id}", response_model=DocumentResponse)
@document.patch("/{document_id}", response_model=DocumentResponse)
def update_document(
    collection_identifier: str,
    document_id: str,
    body: DocumentUpdateRequest,
    tenant: Updater,
    services: Context,
) -> Response:
    """Replace a document's payload, or vectors of it."""
    changed = service.update_document(services, tenant, collection_identifier, document_id, body)
    return Response(changed, media_type="application/json")


@document.delete("/{document_id}", response_model=GenericDeleteResponse)
def delete_document(collection_identifier: str, document_id: str, tenant: Deleter, services: Context) -> Response:
    """Delete a document and its vectors."""
    service.delete_document(services, tenant, collection_identifier, document_id)
    return json_response(GenericDeleteResponse().model_dump())
