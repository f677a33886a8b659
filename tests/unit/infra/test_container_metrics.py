"""Test the program `container_metrics` against a double of the Docker daemon; one test kills the program."""

from __future__ import annotations

import ast
import json
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.hosts import container_metrics as program
from infra.services import node_exporter
from stack_runtime import labels
from stack_runtime.paths import PROJECT
from tests.kit.project import ROOT

USED = {"usage": 900, "limit": 1_000, "stats": {"inactive_file": 100, "active_file": 50}}
SECONDS = {"cpu_usage": {"total_usage": 2_500_000_000}}


@dataclass
class Daemon:
    """Double of the Docker daemon: it answers the three kinds of requests that the program sends.

    Like Docker, it filters by labels.
    """

    path: str
    containers: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    """The statistics of each container by id; a container that is missing here has ended."""

    cut_off: str = ""
    """Id of the container for whose statistics the response is cut off; empty for none."""

    def add(self, name: str, service: str, stack: str, stats: Any) -> None:
        """Add a running container; if `stats` is None, the container ends before it is measured."""
        found = {**labels.of_service(stack, service)}
        self.containers.append({"Id": name, "Names": [f"/{name}"], "Labels": found})
        if stats is not None:
            self.stats[name] = stats

    def add_volume(self, name: str, stack: str, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.volumes.append({"Name": name, "Labels": labels.of_stack(stack), "Mountpoint": str(folder)})

    def answer(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path)
        if parts.path == "/volumes":
            return 200, {"Volumes": _matching(self.volumes, parts.query) or None}
        if parts.path == "/containers/json":
            return 200, _matching(self.containers, parts.query)
        name = parts.path.removeprefix("/containers/").removesuffix("/stats")
        assert parse_qs(parts.query) == {"stream": ["false"], "one-shot": ["true"]}
        return (200, self.stats[name]) if name in self.stats else (404, {"message": "No such container"})


def _matching(found: list[dict[str, Any]], query: str) -> list[dict[str, Any]]:
    wanted = [label.partition("=") for label in json.loads(parse_qs(query)["filters"][0])["label"]]
    return [
        one
        for one in found
        if all(name in one["Labels"] and (not equal or one["Labels"][name] == value) for name, equal, value in wanted)
    ]


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    daemon: Daemon


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        status, content = self.server.daemon.answer(self.path)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = bool(self.server.daemon.cut_off) and self.server.daemon.cut_off in self.path
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, *_: object) -> None:
        """Log nothing, to keep the output of the tests short."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    path = str(tmp_path / "docker.sock")
    with _Server(path, _Answer) as server:
        server.daemon = Daemon(path)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.daemon
        server.shutdown()


def volume(stack: str) -> str:
    return f"{PROJECT}-{stack}-{program.VOLUME}"


def measured(daemon: Daemon, folder: Path) -> dict[str, float]:
    """Measure once, and return the values in the metrics file of the folder; each key is a metric with its labels."""
    assert program.measure(program.Docker(daemon.path)) == []
    lines = (folder / program.FILE).read_text().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_label_and_volume_names_in_the_program_equal_the_names_in_the_package() -> None:
    """The program is copied to servers and cannot import these names, so it defines them again."""
    assert (program.PROJECT_LABEL, program.STACK_LABEL) == (labels.PROJECT_LABEL, labels.STACK_LABEL)
    assert program.SERVICE_LABEL == labels.SERVICE_LABEL
    assert (program.VOLUME, program.FILE) == (node_exporter.CONTAINERS_VOLUME, node_exporter.CONTAINERS_FILE)
    assert program.VOLUME in {one.name for one in node_exporter.SERVICE.volumes if one.read_only and not one.data}


def test_measured_values_of_a_container_are_written_to_the_metrics_file(daemon: Daemon, tmp_path: Path) -> None:
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    daemon.add("dev-postgres-1a", "postgres", "dev", {"memory_stats": USED, "cpu_stats": SECONDS})
    of = '{name="dev-postgres-1a",service="postgres"}'
    assert measured(daemon, tmp_path / "dev") == {
        f"container_cpu_usage_seconds_total{of}": 2.5,
        f"container_memory_working_set_bytes{of}": 800,
        f"container_memory_total_active_file_bytes{of}": 50,
        f"container_spec_memory_limit_bytes{of}": 1_000,
    }
    assert (tmp_path / "dev" / program.FILE).stat().st_mode & 0o777 == 0o644


def test_page_cache_of_cgroup_v1_is_measured_with_child_groups(daemon: Daemon, tmp_path: Path) -> None:
    detail = {"inactive_file": 1, "active_file": 1, "total_inactive_file": 300, "total_active_file": 20}
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    daemon.add("x", "redis", "dev", {"memory_stats": {**USED, "stats": detail}, "cpu_stats": SECONDS})
    found = measured(daemon, tmp_path / "dev")
    assert found['container_memory_working_set_bytes{name="x",service="redis"}'] == 600
    assert found['container_memory_total_active_file_bytes{name="x",service="redis"}'] == 20


def test_metrics_file_of_a_stack_has_only_the_containers_of_this_stack(daemon: Daemon, tmp_path: Path) -> None:
    """The program writes only to a volume whose name and label belong to the same stack; other volumes stay empty."""
    for stack in ("a", "a-b", "lean"):
        daemon.add(f"{stack}-redis", "redis", stack, {"memory_stats": USED, "cpu_stats": SECONDS})
    daemon.add_volume(volume("a"), "a", tmp_path / "a")
    daemon.add_volume(volume("a-b"), "a-b", tmp_path / "a-b")
    daemon.add_volume(f"{PROJECT}-lean-metrics", "lean", tmp_path / "lean")
    daemon.add_volume(volume("a"), "lean", tmp_path / "mislabelled")
    for stack in ("a", "a-b"):
        found = measured(daemon, tmp_path / stack)
        assert len(found) == 4 and all(f'name="{stack}-redis"' in key for key in found)
    assert not list((tmp_path / "lean").iterdir()) and not list((tmp_path / "mislabelled").iterdir())


def test_removed_or_stopped_container_is_not_in_the_metrics_file(daemon: Daemon, tmp_path: Path) -> None:
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    daemon.add("one", "redis", "dev", {"memory_stats": USED, "cpu_stats": SECONDS})
    daemon.add("stopped", "redis", "dev", {"memory_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}})
    daemon.add("ended", "redis", "dev", None)
    assert {key.partition("{")[2] for key in measured(daemon, tmp_path / "dev")} == {'name="one",service="redis"}'}
    daemon.containers.clear()
    assert measured(daemon, tmp_path / "dev") == {}


def test_special_characters_in_a_service_name_are_escaped_in_the_metrics_file(daemon: Daemon, tmp_path: Path) -> None:
    name = 'a"} 1\nup{job="\\b\ud800'
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    daemon.add("x", name, "dev", {"memory_stats": USED, "cpu_stats": SECONDS})
    found = measured(daemon, tmp_path / "dev")
    assert len(found) == 4
    assert all(key.endswith('service="a\\"} 1\\nup{job=\\"\\\\b?"}') for key in found), found


def test_cut_off_response_about_a_container_fails_only_the_measurement_of_its_stack(
    daemon: Daemon, tmp_path: Path
) -> None:
    for stack, stats in (("a", "not statistics"), ("b", {"memory_stats": USED, "cpu_stats": SECONDS})):
        daemon.add_volume(volume(stack), stack, tmp_path / stack)
        daemon.add(f"{stack}-redis", "redis", stack, stats)
    daemon.cut_off = "a-redis"
    (failure,) = program.measure(program.Docker(daemon.path))
    assert failure.startswith("stack a: ") and not (tmp_path / "a" / program.FILE).exists()
    assert "b-redis" in (tmp_path / "b" / program.FILE).read_text()


def test_program_can_be_parsed_by_python_3_8() -> None:
    ast.parse(Path(program.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_other_stacks_are_measured_if_one_stack_fails(daemon: Daemon, tmp_path: Path) -> None:
    daemon.add_volume(volume("a"), "a", tmp_path / "a")
    daemon.add_volume(volume("b"), "b", tmp_path / "b")
    (tmp_path / "a").rmdir()
    (failure,) = program.measure(program.Docker(daemon.path))
    assert failure.startswith("stack a: ") and (tmp_path / "b" / program.FILE).exists()


def test_symbolic_link_at_the_path_of_the_temporary_file_is_not_followed(daemon: Daemon, tmp_path: Path) -> None:
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "dev" / f".{program.FILE}.new").symlink_to(other)
    assert measured(daemon, tmp_path / "dev") == {} and other.read_text() == "kept"
    assert [path.name for path in (tmp_path / "dev").iterdir()] == [program.FILE]


@pytest.mark.parametrize("when", ["os.fchmod", "Path.replace"])
def test_killed_program_leaves_the_old_file_and_the_next_run_writes_a_new_one(
    daemon: Daemon, tmp_path: Path, when: str
) -> None:
    daemon.add_volume(volume("dev"), "dev", tmp_path / "dev")
    daemon.add("x", "redis", "dev", {"memory_stats": USED, "cpu_stats": SECONDS})
    before = measured(daemon, tmp_path / "dev")
    daemon.containers.clear()
    kill = "lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    code = (
        "import os, signal; from pathlib import Path; from infra.hosts import container_metrics as program\n"
        f"{when} = {kill}\nprogram.measure(program.Docker({daemon.path!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    text = (tmp_path / "dev" / program.FILE).read_text()
    assert all(key in text for key in before)
    drafts = [path.name for path in (tmp_path / "dev").iterdir() if path.name != program.FILE]
    assert drafts and not any(name.endswith(".prom") for name in drafts)
    assert measured(daemon, tmp_path / "dev") == {}
    assert [path.name for path in (tmp_path / "dev").iterdir()] == [program.FILE]


def test_missing_docker_socket_gives_exit_code_1_and_one_line_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.Docker, "connect", lambda _: (_ for _ in ()).throw(FileNotFoundError("no socket")))
    assert program.main([]) == 1
    assert capsys.readouterr().err == "containers are not measured: no socket\n"
    assert program.main(["--help"]) == 2


def test_installation_of_the_timer_can_be_repeated_repaired_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record the `systemctl` commands instead of running them, because this machine may have no systemd."""
    called: list[tuple[str, ...]] = []
    units = {tmp_path / path.name: text for path, text in program.UNITS.items()}
    monkeypatch.setattr(program, "SYSTEMD", tmp_path)
    monkeypatch.setattr(program, "UNITS", units)
    monkeypatch.setattr(program, "TIMER", tmp_path / program.TIMER.name)
    monkeypatch.setattr(program, "PROGRAM", tmp_path / "program")
    monkeypatch.setattr(program, "_systemctl", lambda *words: called.append(words))
    assert program.install() == []
    assert called[0] == ("daemon-reload",) and called[-1][0] == "restart"
    written = {path: (path.stat().st_mtime_ns, path.read_text()) for path in units}
    called.clear()
    assert program.install() == [] and [words[0] for words in called] == ["enable", "start"]
    assert {path: (path.stat().st_mtime_ns, path.read_text()) for path in units} == written
    next(iter(units)).write_text("[Service]\nExecStart=/bin/false\n")
    called.clear()
    assert program.install() == [] and called[-1][0] == "restart"
    assert {path: path.read_text() for path in units} == units
    called.clear()
    assert program.remove() == [] and called[0][0] == "disable" and not list(tmp_path.iterdir())
    assert program.remove() == []


def test_server_without_systemd_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SYSTEMD", tmp_path / "missing")
    (reason,) = program.install()
    assert "no systemd" in reason
