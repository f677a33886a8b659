"""Provide a warehouse for the tests of the dbt project. Its database file is deleted after each test."""

from collections.abc import Iterator

import pytest

from tests.kit.warehouse import Warehouse


@pytest.fixture(scope="package")
def _warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("dbt")
    return Warehouse(folder / "work.duckdb", folder / "target")


@pytest.fixture
def warehouse(_warehouse: Warehouse) -> Iterator[Warehouse]:
    yield _warehouse
    _warehouse.path.unlink(missing_ok=True)
