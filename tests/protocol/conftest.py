from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.reader import Reader


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """The published clients, in one Node process for all tests."""
    with Reader.start() as node:
        yield Reader(node)
