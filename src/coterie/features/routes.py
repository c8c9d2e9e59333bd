"""Routes of feature extractors."""

from fastapi import APIRouter, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import AccountReader
from coterie.api.errors import ERRORS, json_response
from coterie.features.registry import REGISTRY, get_extractor, show
from coterie.features.schemas import FeatureExtractorResponseModel

router = APIRouter(
    prefix="/v1/collections/features/extractors", tags=["Features"], route_class=StrictRoute, responses=ERRORS
)


@router.get("", response_model=list[FeatureExtractorResponseModel])
def list_feature_extractors(account: AccountReader) -> Response:
    """All registered extractors."""
    return json_response([show(extractor) for extractor in REGISTRY])


@router.get("/{feature_extractor_id}", response_model=FeatureExtractorResponseModel)
def get_feature_extractor_by_id(feature_extractor_id: str, account: AccountReader) -> Response:
    """One extractor, by id or name."""
    return json_response(show(get_extractor(feature_extractor_id)))
