"""Setup sees to each piece once, stops at the first that cannot be had, and goes on from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fds_offline.plugins import MODULES
from infra.engine.environment import VERSION, plugins_folder
from infra.prerequisites import Installation, Prerequisite, Say, offline, prepare, prerequisites_of_stack
from infra.prerequisites import docker as docker_piece
from infra.prerequisites import engine as engine_piece
from infra.prerequisites import plugins as plugins_piece
from infra.prerequisites.docker import Docker
from infra.prerequisites.engine import Engine
from infra.prerequisites.meltano import Meltano
from infra.prerequisites.prerequisite import digest, run
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline import meltano_env


@dataclass
class Toy:
    """A piece that can be had, or cannot."""

    name: str
    can_be_had: bool = True
    made: int = 0
    asked: list[str] = field(default_factory=list)

    def find(self) -> Installation | None:
        return Installation("1", "found") if self.made else None

    def get(self, say: Say) -> Installation:
        say("working")
        if not self.can_be_had:
            raise UnreachableError(f"{self.name} is missing", next_command="get it")
        self.made += 1
        return Installation("1", "made")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))


def _prepare(pieces: list[Prerequisite]) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    prepare(pieces, lambda _: lambda _: None, lambda piece, found: seen.append((piece.name, found.source)))
    return seen


def test_a_second_time_everything_is_found_and_nothing_is_made() -> None:
    toys: list[Prerequisite] = [Toy("a"), Toy("b")]
    assert _prepare(toys) == [("a", "made"), ("b", "made")]
    assert _prepare(toys) == [("a", "found"), ("b", "found")]


def test_a_failure_keeps_what_was_made_and_the_next_time_goes_on_there() -> None:
    first, second, third = Toy("first"), Toy("second", can_be_had=False), Toy("third")
    with pytest.raises(UnreachableError, match="second is missing"):
        _prepare([first, second, third])
    assert (first.made, third.made) == (1, 0)
    second.can_be_had = True
    assert _prepare([first, second, third]) == [("first", "found"), ("second", "made"), ("third", "made")]


def test_a_program_that_fails_is_one_sentence_with_its_last_line() -> None:
    with pytest.raises(UnreachableError, match=r"it broke: second \(sh\); next: try again") as raised:
        run(["sh", "-c", "echo first; echo second >&2; exit 3"], what="it broke", next_command="try again")
    assert raised.value.exit_code == 5


def test_a_program_that_is_missing_is_one_sentence() -> None:
    with pytest.raises(UnreachableError, match="no-such-program"):
        run(["no-such-program"], what="it broke", next_command="install it")


def test_output_is_handed_on_line_by_line() -> None:
    lines: list[str] = []
    assert run(["printf", "a\\nb\\n"], what="", next_command="", on_line=lines.append) == "a\nb\n"
    assert lines == ["a", "b"]


def test_a_digest_tells_apart_where_parts_begin() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_a_daemon_that_the_user_chose_is_never_replaced_by_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setattr(docker_piece, "start", lambda: pytest.fail("started a daemon"))
    assert Docker().find() is None
    with pytest.raises(UnreachableError, match="unset DOCKER_HOST"):
        Docker().get(lambda _: None)


def test_docker_is_not_installed_where_we_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(docker_piece, "can_install", lambda: False)
    with pytest.raises(UnreachableError, match="install Docker and start it") as raised:
        Docker().get(lambda _: None)
    assert raised.value.exit_code == 5


def test_an_environment_counts_only_when_it_was_finished_for_this_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, mark = tmp_path / "meltano", tmp_path / "installed"
    monkeypatch.setattr(meltano_env, "MELTANO", program)
    monkeypatch.setattr(meltano_env, "_mark", lambda: mark)
    program.touch()
    assert Meltano().find() is None, "a killed installation must not count"
    mark.write_text(meltano_env._fingerprint())
    assert Meltano().find() is not None
    mark.write_text("made from another lock file")
    assert Meltano().find() is None


def _executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("version", "said"), [(VERSION, "on PATH"), ("3.1.0", f"tested with {VERSION}")])
def test_an_engine_of_another_version_is_taken_and_named(
    version: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _executable(tmp_path / "bin" / "pulumi", f"#!/bin/sh\necho v{version}\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = Engine().find()
    assert found is not None
    assert found.version == version and found.source.endswith(said)


def test_stand_ins_go_when_the_official_plugins_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plugins_piece, "answers", lambda _: False)
    piece = plugins_piece.Plugins(tmp_path)
    assert piece.get(lambda _: None).source.startswith("stand-in")
    assert piece.find() is not None
    launcher = plugins_folder(tmp_path) / "pulumi-resource-docker"
    text = launcher.read_text()
    launcher.write_text(text.replace("fds_offline", "an.older.package"))
    assert piece.find() is None, "it starts what is no longer there"
    assert piece.get(lambda _: None).source.startswith("stand-in") and launcher.read_text() == text
    for name in MODULES:
        _executable(tmp_path / "bin" / name)
    assert piece.find() is None, "a launcher that is left would win"
    assert piece.get(lambda _: None) == piece.find() == Installation("", "official")
    assert list(plugins_folder(tmp_path).iterdir()) == []


def test_without_the_offline_package_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plugins_piece, "answers", lambda _: False)
    monkeypatch.setattr(engine_piece, "answers", lambda _: False)
    monkeypatch.setattr(offline, "entry_points", lambda **_: ())
    offline.find.cache_clear()
    try:
        for piece in (Engine(), plugins_piece.Plugins(tmp_path)):
            assert piece.find() is None
            with pytest.raises(UnreachableError, match="install the package fds-offline") as raised:
                piece.get(lambda _: None)
            assert raised.value.exit_code == 5 and "\n" not in str(raised.value)
        names = [piece.name for piece in prerequisites_of_stack(tmp_path)]
        assert "image python:3.11-slim" in names and "image mirror" not in names
    finally:
        offline.find.cache_clear()


def test_the_offline_package_is_found_by_its_entry_point() -> None:
    replacement = offline.find()
    assert replacement is not None
    assert set(replacement.plugins) == set(plugins_piece.NAMES) == set(MODULES)
