"""Read prices from files: the dated snapshot in the package, or a folder with saved API responses.

`pricing.json` and `server_types.json` contain no date. Their date is the first of these that exists:
`--prices-date`; `date` in a `source.json` next to them (`{"prices": {"date": …, "source": …}}`); the older of the
files' modification times. The report says when a modification time was used, because a copied file looks new.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from infra.cost.planning import prices
from infra.cost.planning.json_reader import MOST_BYTES, JsonReader, decode
from stack_runtime.errors import UsageError

SHIPPED = Path(__file__).parent / "snapshot"
PRICING, SERVER_TYPES, ORIGIN = "pricing.json", "server_types.json", "source.json"


def read(folder: Path = SHIPPED, *, day: date | None = None) -> prices.PriceList:
    """Return the price list in `folder`.

    Raises:
        UsageError: the folder or one of its files is missing, or a file cannot be read.
        UnknownError: a file is not a valid price list.
    """
    pricing, types = _json(folder / PRICING), _json(folder / SERVER_TYPES)
    entries = JsonReader(types, SERVER_TYPES, str(folder)).get("server_types")
    listed = [entry.value for entry in entries.items()]
    _refuse_parts(types, folder, len(listed))
    when, source, warning = _origin(folder, day)
    found = prices.read(pricing, listed, day=when, source=source)
    return found.model_copy(update={"warnings": (*found.warnings, warning)}) if warning else found


def _refuse_parts(types: Any, folder: Path, count: int) -> None:
    """Refuse a saved file that has only one page of a list; `count` is the number of entries in the file."""
    answer = JsonReader(types, SERVER_TYPES, str(folder))
    if not answer.has("meta") or not answer.get("meta").has("pagination"):
        return
    pagination = answer.get("meta").get("pagination")
    if pagination.has("next_page"):
        raise pagination.get("next_page").fail("names a further page, which the file does not hold")
    if pagination.has("total_entries") and pagination.get("total_entries").whole(least=0) != count:
        raise pagination.get("total_entries").fail(f"is not {count}, the number of entries in the file")


def _origin(folder: Path, day: date | None) -> tuple[date, str, str]:
    """Return the date and the source of the prices, and a warning; the warning is empty if the date is certain."""
    if day is not None:
        return day, str(folder), ""
    if (folder / ORIGIN).is_file():
        said = JsonReader(_json(folder / ORIGIN), ORIGIN, str(folder)).get("prices")
        return said.get("date").day(), said.get("source").text(), ""
    oldest = min((folder / name).stat().st_mtime for name in (PRICING, SERVER_TYPES))
    when = datetime.fromtimestamp(oldest, tz=UTC).date()
    return (
        when,
        str(folder),
        f"the prices have no date: {when}, when their files were written, is used; --prices-date sets it",
    )


def _json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"there is no {path.name}", where=str(path.parent), next_command="fds cost --prices DIR with both files"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot read {path.name}: {error.strerror}",
            where=str(path.parent),
            next_command=f"make {path.name} a readable file",
        ) from None
    return decode(data, path.name, str(path.parent))
