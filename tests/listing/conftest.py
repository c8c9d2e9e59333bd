"""A store for all tests of the room; each test fills it anew."""

from collections.abc import Iterator

import pytest

from listing.support import Store


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.engine.dispose()
