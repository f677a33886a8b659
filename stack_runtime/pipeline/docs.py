"""Write the documentation of the models as one HTML file.

`dbt docs generate --static` also writes one HTML file, but puts names and texts into a script without escaping them. If
a CSV file has a column name with `</script>`, the name ends this script and can add another script to the page.
"""

from __future__ import annotations

import os
from pathlib import Path

from stack_runtime.errors import CheckFailedError


def write_docs(artifacts: Path, file: Path) -> None:
    """Write one HTML file with the models, their columns and their lineage, and flush it to disk.

    Args:
        artifacts: folder with dbt's `index.html`, `manifest.json` and `catalog.json`.
    Raises:
        CheckFailedError: `index.html` lacks the marks at which this function inserts the two JSON files.
    """
    page = (artifacts / "index.html").read_text(encoding="utf-8")
    for name in ("manifest", "catalog"):
        place = f'"{name.upper()}.JSON INLINE DATA"'
        if page.count(place) != 1:
            raise CheckFailedError(
                f"the documentation of this version of dbt has no place for {name}.json",
                where="publish",
                next_command="pip install 'dbt-core<1.12'",
            )
        data = (artifacts / f"{name}.json").read_text(encoding="utf-8")
        # JSON has `<` only in strings, and there \u003c means the same.
        page = page.replace(place, data.replace("<", "\\u003c"))
    with file.open("w", encoding="utf-8") as writing:
        writing.write(page)
        writing.flush()
        os.fsync(writing.fileno())
