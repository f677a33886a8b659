"""The tap itself."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar
from urllib.parse import unquote, urlparse

import duckdb
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog

from tap_csv.errors import of_os
from tap_csv.settings import SETTINGS, dialect, entities
from tap_csv.stream import CSVStream

_MEMORY = "400MB"
_THREADS = 2


class TapCSV(Tap):
    """CSV files as streams. Flattening and stream maps are left to dbt: they would not apply to batches."""

    name = "tap-csv"
    package_name = "fds-tap-csv"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG, TapCapabilities.STATE, TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT, PluginCapabilities.BATCH, PluginCapabilities.STRUCTURED_LOGGING,
    ]  # fmt: skip

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: the SDK would add maps and flattening, through which batches do not pass."""

    _mapper_wanted = False

    def setup_mapper(self) -> None:
        """Wait: the mapper asks for schemas, and what is read for them depends on the state."""
        self._mapper_wanted = True

    def load_state(self, state: dict[str, Any]) -> None:
        """The last step of the constructor."""
        super().load_state(state)
        if self._mapper_wanted:
            super().setup_mapper()

    @property
    def catalog(self) -> Catalog:
        """Types as the files have them today. Of a catalogue that is passed in, only the selection counts."""
        return self._singer_catalog

    def discover_streams(self) -> list[CSVStream]:
        """One stream an entity."""
        how = dialect(self.config)
        return [CSVStream(self, entity, how) for entity in entities(self.config)]

    @cached_property
    def folder(self) -> Path:
        """For temporary files: beside the batches, where room is needed anyhow, else the system's folder."""
        root = urlparse((self.config.get("batch_config") or {}).get("storage", {}).get("root", ""))
        place = Path(unquote(root.path)) if root.scheme in ("", "file") and root.path else None
        try:
            if place:
                place.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(prefix="tap-csv-", dir=place)
        except OSError as error:
            raise of_os(error, place or Path(tempfile.gettempdir())) from None
        return Path(self._folder.name)

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB, in memory, spilling into the temporary folder."""
        config = {"threads": _THREADS, "memory_limit": _MEMORY, "temp_directory": str(self.folder / "spill")}
        return duckdb.connect(config=config)  # type: ignore[arg-type]

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once with an error: the SDK would end with 0, as if all had been sent.

        An exception would not do: DuckDB, while it works, makes a RuntimeError of any.
        """
        self.logger.warning("stopped by signal %d before all was sent", signum)
        if "folder" in vars(self):
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(128 + signum)

    def write_report(self) -> None:
        """Put the counts of all entities so far in place, in one step."""
        if not (target := self.config.get("report_path")):
            return
        report = {}
        for stream in self.streams.values():
            assert isinstance(stream, CSVStream)
            files = [asdict(count) for count in stream.counts]
            totals = {what: sum(file[what] for file in files) for what in ("read", "emitted", "quarantined")}
            report[stream.name] = totals | {"files": files}
        path = Path(target)
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"entities": report}, indent=1))
            part.replace(path)
        except OSError as error:
            raise of_os(error, path) from None
