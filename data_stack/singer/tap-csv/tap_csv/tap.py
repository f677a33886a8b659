"""Define the tap: settings, state, report and temporary files."""

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

MEMORY = "400MB"
THREADS = 2


class TapCSV(Tap):
    """Tap for CSV files, without flattening and stream maps, because the SDK does not apply them to batches."""

    name = "tap-csv"
    package_name = "fds-tap-csv"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG, TapCapabilities.STATE, TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT, PluginCapabilities.BATCH, PluginCapabilities.STRUCTURED_LOGGING,
    ]  # fmt: skip

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add nothing: the SDK would add settings for stream maps and flattening, which do not apply to batches."""

    _mapper_wanted = False

    def setup_mapper(self) -> None:
        """Postpone the setup to `load_state`: the mapper needs the schemas, and they depend on the state."""
        self._mapper_wanted = True

    def load_state(self, state: dict[str, Any]) -> None:
        """Load the state, then scan the files that must be loaded. This is the last step of the constructor."""
        super().load_state(state)
        if self._mapper_wanted:
            super().setup_mapper()
            self._check_refused()

    def _check_refused(self) -> None:
        """Write the report with the refused files, and deselect the streams that must not change their tables.

        End with an error if files are refused, no file is left to load, and `report_path` is not set.
        """
        streams = self._csv_streams
        has_files = any(stream.has_files for stream in streams)  # `has_files` scans the files, which fills the counts
        self.report()
        for stream in streams:
            # Deselect a stream without columns, because it has no table. Also deselect a stream with new settings if
            # all of its files are refused: its columns may have new types, and they must not change the table.
            if not stream.schema["properties"] or (stream.has_new_settings and not stream.has_files):
                stream.selected = False
        refused = [count.refused for stream in streams for count in stream.counts if count.refused]
        if refused and not has_files and not self.config.get("report_path"):
            raise TapError(refused[0] if len(refused) == 1 else f"{len(refused)} files: {'; '.join(refused[:5])}")

    @property
    def _csv_streams(self) -> list[CSVStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, CSVStream)]

    @property
    def catalog(self) -> Catalog:
        """The discovered catalog, with types from the current files; `--catalog FILE` changes only what is selected."""
        return self._singer_catalog

    def discover_streams(self) -> list[CSVStream]:
        """Return one stream per entity."""
        return [CSVStream(self, entity) for entity in entities(self.config)]

    @cached_property
    def folder(self) -> Path:
        """Folder for temporary files: next to the batches if these are local, else in the system's temporary folder."""
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
        """In-memory connection to DuckDB that spills into the temporary folder."""
        config = {"threads": THREADS, "memory_limit": MEMORY, "temp_directory": str(self.folder / "spill")}
        return duckdb.connect(config=config)  # type: ignore[arg-type]

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Exit immediately with an error code, because the SDK would exit with 0 as if all records were sent.

        An exception does not work here: during a query, DuckDB converts any exception to a RuntimeError.
        """
        self.logger.warning("stopped by signal %d before all records were sent", signum)
        if "folder" in vars(self):
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(128 + signum)

    def report(self) -> None:
        """Write the current counts of all entities to `report_path`, if it is set."""
        if target := self.config.get("report_path"):
            write_report(Path(target), {stream.name: stream.counts for stream in self._csv_streams})
