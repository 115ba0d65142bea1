"""The PostgreSQL server of the tests of a store and of its routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.postgres import NOT_INSTALLED, PostgresServer, binary_directory, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if binary_directory() is None:
        pytest.skip(NOT_INSTALLED)
    with postgres_server() as server:
        yield server
