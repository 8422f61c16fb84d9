"""A gateway's HTTP side without a server: requests go straight to the application."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.http.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path).open() as desk:
        yield desk
