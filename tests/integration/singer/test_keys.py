"""Load a stream whose declared key has changed since its table was first loaded."""

from __future__ import annotations

import pytest

from tests.kit.singer import Kit


@pytest.mark.parametrize(
    ("before", "after"), [(("id",), ("no",)), (("id", "k"), ("id",)), ((), ("id",)), (("id",), ("id", "no"))]
)
@pytest.mark.parametrize("batch", [True, False])
def test_stream_is_refused_if_its_new_key_does_not_identify_the_rows_already_loaded(
    kit: Kit, before: tuple[str, ...], after: tuple[str, ...], batch: bool
) -> None:
    kit.load(kit.csv("id,k\n1,a\n1,b\n2,a\n"), keys=before)
    rows = kit.query("SELECT * FROM t ORDER BY ALL")
    done = kit.target(kit.tap(kit.csv("id,k,no\n1,c,x\n2,c,y\n"), keys=after, batch=batch).out)
    assert done.code == 1 and "loaded without the key" in done.sentence and "declare the former key" in done.sentence
    assert kit.query("SELECT id, k FROM t ORDER BY ALL") == rows


def test_rows_replaced_under_the_former_key_are_added_if_the_file_is_loaded_with_a_longer_key(kit: Kit) -> None:
    file = kit.csv("id,k\n1,a\n1,b\n2,a\n")
    kit.load(file)
    kit.load(file, keys=("id", "k"))
    assert kit.query("SELECT id, k FROM t ORDER BY ALL") == [("1", "a"), ("1", "b"), ("2", "a")]
