"""A store of each kind for all tests of the room; each test fills it anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.store.db import Db
from listing.support import Store


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    location: Path | str = tmp_path_factory.mktemp("listing") / "records.db"
    if request.param == "postgresql":
        location = request.getfixturevalue("postgres").create()
    db = Db(location)
    yield Store(db)
    db.close()
