"""The service's own OpenAPI document, as a client reads it."""

import pytest
from fastapi import FastAPI

from contract.notation import Document


@pytest.fixture
def openapi(app: FastAPI) -> Document:
    return app.openapi()
