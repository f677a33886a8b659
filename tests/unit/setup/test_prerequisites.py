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


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `pulumi` on PATH that cannot download plugins, and writes its arguments into the file that is returned."""
    calls = tmp_path / "calls"
    text = f'#!/bin/sh\necho "$@" >> {calls}\necho downloading >&2\necho "error: 503 from the server" >&2\nexit 255\n'
    _executable(tmp_path / "bin" / "pulumi", text)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    calls.touch()
    return calls


def test_failed_download_of_a_plugin_is_reported_and_tried_again_by_the_next_setup(
    pulumi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins_module, "answers", lambda _: True)
    prerequisite, lines = plugins_module.Plugins(tmp_path), list[str]()
    assert prerequisite.get(lines.append).source.startswith("stand-in")
    assert "pulumi-resource-docker cannot be downloaded: error: 503 from the server" in lines
    assert prerequisite.find() is None, "the next setup must try the download again"
    prerequisite.get(lines.append)
    assert pulumi.read_text().count("plugin install resource docker") == 2


def test_download_that_does_not_end_is_reported(tmp_path: Path, pulumi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins_module, "answers", lambda _: True)
    monkeypatch.setattr(plugins_module, "DOWNLOAD_SECONDS", 0.1)
    _executable(tmp_path / "bin" / "pulumi", "#!/bin/sh\nexec /bin/sleep 60\n")
    lines: list[str] = []
    plugins_module.Plugins(tmp_path).get(lines.append)
    assert "pulumi-resource-docker cannot be downloaded: no end after 0.1 s" in lines


def test_network_that_does_not_answer_is_not_asked_again_until_other_versions_are_wanted(
    pulumi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(plugins_module, "answers", asked.append)
    prerequisite = plugins_module.Plugins(tmp_path)
    assert prerequisite.get(lambda _: None) == prerequisite.find()
    prerequisite.get(lambda _: None)
    assert len(asked) == 1
    monkeypatch.setattr(plugins_module, "version", lambda _: "9.9.9")
    assert prerequisite.find() is None
    prerequisite.get(lambda _: None)
    assert len(asked) == 2 and pulumi.read_text() == ""


@pytest.mark.parametrize("answering", [True, False])
def test_setup_without_stand_ins_asks_for_the_plugins_each_time(
    pulumi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: bool
) -> None:
    asked: list[str] = []

    def answers(url: str) -> bool:
        asked.append(url)
        return answering

    monkeypatch.setattr(plugins_module, "answers", answers)
    monkeypatch.setattr(offline, "find", lambda: None)
    reason = ": error: 503 from the server; next: allow" if answering else "; next: allow"
    for _ in range(2):
        with pytest.raises(UnreachableError, match=f"resource-docker cannot be downloaded here{reason}"):
            plugins_module.Plugins(tmp_path).get(lambda _: None)
    assert len(asked) == 2


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
