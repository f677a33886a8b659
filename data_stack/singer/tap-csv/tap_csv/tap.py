"""The tap itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar
from urllib.parse import unquote, urlparse

import duckdb
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog

from tap_csv.errors import TapError, of_os
from tap_csv.report import write_report
from tap_csv.settings import SETTINGS, entities
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
        """The last step of the constructor: from here on, every file has been scanned."""
        super().load_state(state)
        if self._mapper_wanted:
            super().setup_mapper()
            self._check_refused()

    def _check_refused(self) -> None:
        """End where no file at all can be loaded; else the report tells of those that cannot."""
        streams = self._csv_streams
        refused = [count.refused for stream in streams for count in stream.counts if count.refused]
        if refused and not any(stream.has_files for stream in streams):
            self.report()
            raise TapError(refused[0] if len(refused) == 1 else f"{len(refused)} files: {'; '.join(refused[:5])}")

    @property
    def _csv_streams(self) -> list[CSVStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, CSVStream)]

    @property
    def catalog(self) -> Catalog:
        """Types as the files have them today. Of a catalogue that is passed in, only the selection counts."""
        return self._singer_catalog

    def discover_streams(self) -> list[CSVStream]:
        """One stream an entity."""
        return [CSVStream(self, entity) for entity in entities(self.config)]

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

    def report(self) -> None:
        """Write the counts of all entities so far."""
        if target := self.config.get("report_path"):
            write_report(Path(target), {stream.name: stream.counts for stream in self._csv_streams})
