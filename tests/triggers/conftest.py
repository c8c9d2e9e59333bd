"""A service whose clock stands still until a test moves it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coterie.api.context import Services
from coterie.kit.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.fixture
def services(opened: tuple[Services, str], clock: ManualClock) -> Services:
    return replace(opened[0], clock=clock)
