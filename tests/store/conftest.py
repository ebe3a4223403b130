"""One PostgreSQL for all tests of the store; each test has a database of its own."""

from collections.abc import Iterator
from itertools import count

import pytest
from store_journals import database, postgres_server

from infra.stack.postgres import Postgres

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the server."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def dsn(postgres: Postgres) -> Iterator[str]:
    """Give an empty database."""
    with database(postgres.dsn(), f"test_{next(_numbers)}") as address:
        yield address
