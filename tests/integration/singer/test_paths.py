"""Test that the folders in the path of a file do not change its values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.singer import Kit


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("folder", ["currency=GBP", "id=9", "c0=5", "file_row_number=1", "a[1]*", "it's 100%"])
def test_rows_are_loaded_unchanged_whatever_the_name_of_their_folder(tmp_path: Path, folder: str, batch: bool) -> None:
    kit = Kit(tmp_path / folder)
    kit.folder.mkdir()
    landing = kit.folder / "2026" / folder
    landing.mkdir(parents=True)
    file = landing / "a.csv"
    file.write_text("id,currency,day\n1,EUR,2026-01-05\n2,USD,2026-01-06\n")
    kit.load(file, batch=batch, entity={"columns": {"day": "date"}, "incremental": "column", "replication_key": "day"})
    assert kit.query("SELECT id, currency, day::VARCHAR FROM t ORDER BY id") == [
        ("1", "EUR", "2026-01-05"), ("2", "USD", "2026-01-06"),
    ]  # fmt: skip
