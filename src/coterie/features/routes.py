"""Routes of feature extractors."""

from fastapi import APIRouter, Response

from coterie.api.bodies import StrictRoute
from coterie.api.context import AccountReader, Context
from coterie.api.errors import ERRORS, json_response
from coterie.features.registry import get_extractor, list_extractors, show
from coterie.features.schemas import FeatureExtractorResponseModel

router = APIRouter(
    prefix="/v1/collections/features/extractors", tags=["Features"], route_class=StrictRoute, responses=ERRORS
)


@router.get("", response_model=list[FeatureExtractorResponseModel])
def list_feature_extractors(account: AccountReader, services: Context) -> Response:
    """All extractors: the registered ones, and the models that were added."""
    return json_response([show(extractor) for extractor in list_extractors(services.settings.models_path)])


@router.get("/{feature_extractor_id}", response_model=FeatureExtractorResponseModel)
def get_feature_extractor_by_id(feature_extractor_id: str, account: AccountReader, services: Context) -> Response:
    """One extractor, by id or name."""
    return json_response(show(get_extractor(services.settings.models_path, feature_extractor_id)))
