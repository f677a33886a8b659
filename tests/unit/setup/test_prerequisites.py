"""Test what `fds setup` finds and installs, and how it reports a prerequisite that it cannot install."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient

from fds_offline import images
from fds_offline.plugins import MODULES
from infra.engine.environment import VERSION, plugins_folder
from infra.prerequisites import Installation, Prerequisite, Say, offline, prepare, prerequisites_of_stack
from infra.prerequisites import docker as docker_module
from infra.prerequisites import engine as engine_module
from infra.prerequisites import plugins as plugins_module
from infra.prerequisites.docker import Docker
from infra.prerequisites.engine import Engine
from infra.prerequisites.meltano import Meltano
from infra.prerequisites.prerequisite import digest, run
from infra.settings import Settings
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline import meltano_env


@dataclass
class FakePrerequisite:
    """Double of a prerequisite; `available` decides whether the installation succeeds."""

    name: str
    available: bool = True
    made: int = 0

    def find(self) -> Installation | None:
        return Installation("1", "found") if self.made else None

    def get(self, say: Say) -> Installation:
        say("working")
        if not self.available:
            raise UnreachableError(f"{self.name} is missing", next_command="get it")
        self.made += 1
        return Installation("1", "made")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))


def _prepare(prerequisites: list[Prerequisite]) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    prepare(
        prerequisites,
        lambda _: lambda _: None,
        lambda prerequisite, found: seen.append((prerequisite.name, found.source)),
    )
    return seen


def test_second_setup_finds_every_prerequisite_and_installs_nothing() -> None:
    prerequisites: list[Prerequisite] = [FakePrerequisite("a"), FakePrerequisite("b")]
    assert _prepare(prerequisites) == [("a", "made"), ("b", "made")]
    assert _prepare(prerequisites) == [("a", "found"), ("b", "found")]


def test_setup_after_a_failure_continues_at_the_failed_prerequisite() -> None:
    first, second, third = (
        FakePrerequisite("first"),
        FakePrerequisite("second", available=False),
        FakePrerequisite("third"),
    )
    with pytest.raises(UnreachableError, match="second is missing"):
        _prepare([first, second, third])
    assert (first.made, third.made) == (1, 0)
    second.available = True
    assert _prepare([first, second, third]) == [("first", "found"), ("second", "made"), ("third", "made")]


def test_failing_program_is_reported_with_the_last_line_of_output() -> None:
    with pytest.raises(UnreachableError, match=r"it broke: second \(sh\); next: try again") as raised:
        run(["sh", "-c", "echo first; echo second >&2; exit 3"], what="it broke", next_command="try again")
    assert raised.value.exit_code == 5


def test_missing_program_is_named_in_the_error() -> None:
    with pytest.raises(UnreachableError, match="no-such-program"):
        run(["no-such-program"], what="it broke", next_command="install it")


def test_output_of_a_program_is_passed_on_line_by_line() -> None:
    lines: list[str] = []
    assert run(["printf", "a\\nb\\n"], what="", next_command="", on_line=lines.append) == "a\nb\n"
    assert lines == ["a", "b"]


def test_digest_of_texts_depends_on_the_boundaries_between_the_texts() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_unreachable_daemon_at_docker_host_is_an_error_and_no_other_daemon_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setattr(docker_module, "start", lambda: pytest.fail("started a daemon"))
    assert Docker().find() is None
    with pytest.raises(UnreachableError, match="unset DOCKER_HOST"):
        Docker().get(lambda _: None)


def test_missing_docker_is_an_error_if_setup_may_not_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(docker_module, "can_install", lambda: False)
    with pytest.raises(UnreachableError, match="install Docker and start it") as raised:
        Docker().get(lambda _: None)
    assert raised.value.exit_code == 5


def test_meltano_is_found_only_if_its_virtualenv_is_complete_and_from_the_current_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, mark = tmp_path / "meltano", tmp_path / "installed"
    monkeypatch.setattr(meltano_env, "MELTANO", program)
    monkeypatch.setattr(meltano_env, "_mark", lambda: mark)
    program.touch()
    assert Meltano().find() is None, "an incomplete installation must not be found"
    mark.write_text(meltano_env._fingerprint())
    assert Meltano().find() is not None
    mark.write_text("made from another lock file")
    assert Meltano().find() is None


def _executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("version", "source"), [(VERSION, "on PATH"), ("3.1.0", f"tested with {VERSION}")])
def test_pulumi_of_any_version_is_used_and_an_untested_version_is_reported(
    version: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _executable(tmp_path / "bin" / "pulumi", f"#!/bin/sh\necho v{version}\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = Engine().find()
    assert found is not None
    assert found.version == version and found.source.endswith(source)


def test_stand_ins_are_rewritten_if_outdated_and_removed_if_official_plugins_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plugins_module, "answers", lambda _: False)
    prerequisite = plugins_module.Plugins(tmp_path)
    assert prerequisite.get(lambda _: None).source.startswith("stand-in")
    assert prerequisite.find() is not None
    launcher = plugins_folder(tmp_path) / "pulumi-resource-docker"
    text = launcher.read_text()
    launcher.write_text(text.replace("fds_offline", "an.older.package"))
    assert prerequisite.find() is None, "a launcher of another version starts a module that does not exist"
    assert prerequisite.get(lambda _: None).source.startswith("stand-in") and launcher.read_text() == text
    for name in MODULES:
        _executable(tmp_path / "bin" / name)
    assert prerequisite.find() is None, "the old launcher would take precedence over the official plugin"
    assert prerequisite.get(lambda _: None) == prerequisite.find() == Installation("", "official")
    assert list(plugins_folder(tmp_path).iterdir()) == []


def test_error_suggests_the_offline_package_if_engine_or_plugins_cannot_be_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plugins_module, "answers", lambda _: False)
    monkeypatch.setattr(engine_module, "answers", lambda _: False)
    monkeypatch.setattr(offline, "entry_points", lambda **_: ())
    offline.find.cache_clear()
    try:
        for prerequisite in (Engine(), plugins_module.Plugins(tmp_path)):
            assert prerequisite.find() is None
            with pytest.raises(UnreachableError, match="install the package fds-offline") as raised:
                prerequisite.get(lambda _: None)
            assert raised.value.exit_code == 5 and "\n" not in str(raised.value)
        names = [prerequisite.name for prerequisite in prerequisites_of_stack(tmp_path, Settings.of("dev", {}))]
        assert "image python:3.11-slim" in names and "image mirror" not in names
    finally:
        offline.find.cache_clear()


@pytest.mark.parametrize(("profile", "image"), [("bi", "metabase/metabase:"), ("queue", "redis:")])
def test_setup_gets_only_the_images_of_the_selected_profiles(tmp_path: Path, profile: str, image: str) -> None:
    def names(profiles: list[str]) -> list[str]:
        prerequisites = prerequisites_of_stack(tmp_path, Settings.of("dev", {"profiles": profiles}))
        return [prerequisite.name for prerequisite in prerequisites if prerequisite.name.startswith(f"image {image}")]

    assert len(names([profile])) == 1 and names([]) == []


def test_image_without_a_recipe_of_the_offline_package_is_a_one_line_error() -> None:
    with pytest.raises(
        UnreachableError, match=r"metabase/metabase:v9 cannot be built .*leave out the profile"
    ) as raised:
        images.provide(DockerClient("unix:///never-used.sock", version="1.41"), "metabase/metabase:v9", lambda _: None)
    assert raised.value.exit_code == 5 and "\n" not in str(raised.value)


def test_offline_package_is_found_by_its_entry_point() -> None:
    replacement = offline.find()
    assert replacement is not None
    assert set(replacement.plugins) == set(plugins_module.NAMES) == set(MODULES)
