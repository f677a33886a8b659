"""Run the commands of the Singer tap and target, and read the results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from click.testing import CliRunner
from tap_csv.tap import TapCSV
from target_duckdb.target import TargetDuckDB


@dataclass(frozen=True)
class Done:
    """Result of a command of the tap or the target."""

    code: int
    out: str
    error: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def state(self) -> dict[str, Any]:
        """Return the state in the last line: a STATE message of the tap, or the bare state that the target prints."""
        last = self.messages[-1]
        return last["value"] if last.get("type") == "STATE" else last

    @property
    def sentence(self) -> str:
        """Return the error message for the user."""
        return next(line for line in reversed(self.error.splitlines()) if line.startswith("Error: "))


@dataclass(frozen=True)
class Kit:
    """A folder with all files of a test, and functions that run tap and target in this folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def tap(
        self, *paths: Path | str, keys: Sequence[str] = ("id",), batch: bool = True,
        state: Mapping[str, Any] | None = None, entity: Mapping[str, Any] | None = None, **settings: Any,
    ) -> Done:  # fmt: skip
        """Run the tap on the files `paths` of the entity `t`; `settings` are added to the tap's configuration."""
        config: dict[str, Any] = {
            "entities": [{"entity": "t", "paths": [str(p) for p in paths], "keys": list(keys)} | dict(entity or {})],
            "quarantine_dir": str(self.folder / "quarantine"),
            "report_path": str(self.folder / "tap.json"),
        } | settings
        if batch:
            storage = {"root": (self.folder / "batches").as_uri()}
            config["batch_config"] = {"encoding": {"format": "parquet", "compression": "snappy"}, "storage": storage}
        arguments = ["--config", self._write("tap-config.json", config)]
        if state:
            arguments += ["--state", self._write("state.json", state)]
        return run("tap-csv", arguments)

    def target(self, messages: str, **settings: Any) -> Done:
        """Run the target on messages."""
        config = {"path": str(self.database), "report_path": str(self.folder / "target.json")} | settings
        incoming = self.folder / "messages.singer"
        incoming.write_text(messages)
        # Pass the messages in a file, because the SDK keeps the standard input that it finds when it is imported, and
        # replacing `sys.stdin` later has no effect.
        return run("target-duckdb", ["--config", self._write("target-config.json", config), "--input", str(incoming)])

    def load(self, *paths: Path | str, **settings: Any) -> Done:
        """Run tap and target, which must both succeed, and return the result of the tap."""
        tapped = self.tap(*paths, **settings)
        assert tapped.code == 0, tapped.error
        loaded = self.target(tapped.out)
        assert loaded.code == 0, loaded.error
        return tapped

    @property
    def counts(self) -> dict[str, Any]:
        """Return the tap's report for the entity `t`."""
        found: dict[str, Any] = json.loads((self.folder / "tap.json").read_text())["entities"]["t"]
        assert found["read"] == found["emitted"] + found["quarantined"]
        return found

    @property
    def loaded(self) -> dict[str, Any]:
        """Return the target's report for the stream `t`."""
        found: dict[str, Any] = json.loads((self.folder / "target.json").read_text())["streams"]["t"]
        return found

    @property
    def quarantined(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "quarantine").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def csv(self, text: str | bytes, name: str = "t.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def _write(self, name: str, content: Mapping[str, Any]) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)


def run(name: str, arguments: Sequence[str]) -> Done:
    """Run the command of a plugin in this process, because a separate process takes a second longer."""
    command = {"tap-csv": TapCSV.cli, "target-duckdb": TargetDuckDB.cli}[name]
    done = CliRunner().invoke(command, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)
