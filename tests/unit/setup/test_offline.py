"""Test parts of the offline package: image recipes, Debian mirrors, and the registry mirror of the Docker daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fds_offline import apt_sources, images, registry
from stack_runtime.errors import UnreachableError


def test_recipe_comes_after_the_recipes_of_its_base_images() -> None:
    order = list(images.RECIPES)
    for reference in order:
        assert all(order.index(base) < order.index(reference) for base in images.bases(reference))
    assert set(images.bases("traefik:v3.7")) == {"python:3.11-slim", "debian:12-slim"}


def test_changed_debian_mirror_changes_the_fingerprint_of_every_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    images.fingerprint.cache_clear()
    before = {reference: images.fingerprint(reference) for reference in images.RECIPES}
    images.fingerprint.cache_clear()
    monkeypatch.setattr(images, "sources_file", lambda: "another mirror")
    after = {reference: images.fingerprint(reference) for reference in images.RECIPES}
    images.fingerprint.cache_clear()
    assert all(before[reference] != after[reference] for reference in images.RECIPES)
    assert len(set(before.values())) == len(before)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "# a comment\ndeb [signed-by=/k] http://near/debian bookworm main\n"),
        ("sources.list.d/debian.sources", "Types: deb\n# why\nURIs: http://near/debian\nSuites: bookworm x\n"),
    ],
)
def test_debian_mirror_is_read_from_both_formats_of_apt_sources(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert apt_sources.mirrors(tmp_path) == ("http://near/debian", "http://near/debian")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Types: deb-src\nURIs: http://near/debian\nSuites: bookworm\n",
        "Enabled: no\nTypes: deb\nURIs: http://near/debian\nSuites: bookworm\n",
        "Types: deb\nURIs: cdrom:[disc]\nSuites: bookworm\n",
        "Types: deb\nURIs: https://user:password@near/debian\nSuites: bookworm\n",
        "Types: deb\nURIs: http://near/ubuntu\nSuites: noble\n",
    ],
)
def test_apt_sources_without_a_usable_debian_mirror_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "a.sources").write_text(text)
    with pytest.raises(UnreachableError, match="no source of Debian"):
        apt_sources.mirrors(tmp_path)


@pytest.fixture
def daemon_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "docker" / "daemon.json"
    monkeypatch.setattr(registry, "DAEMON_CONFIG", path)
    return path


def test_mirror_of_the_offline_package_replaces_its_old_one_in_daemon_json_and_the_rest_is_kept(
    daemon_config: Path,
) -> None:
    daemon_config.parent.mkdir()
    mirrors = ["http://172.17.0.1:5060", "https://mirror.example"]
    daemon_config.write_text(json.dumps({"log-driver": "local", "registry-mirrors": mirrors}))
    registry._configure("http://172.17.0.1:5055")
    assert json.loads(daemon_config.read_text()) == {
        "log-driver": "local",
        "registry-mirrors": ["http://172.17.0.1:5055", "https://mirror.example"],
    }


def test_missing_daemon_configuration_is_created(daemon_config: Path) -> None:
    registry._configure("http://172.17.0.1:5055")
    assert json.loads(daemon_config.read_text()) == {"registry-mirrors": ["http://172.17.0.1:5055"]}


@pytest.mark.parametrize("text", ["{ not json", "[]"])
def test_invalid_daemon_configuration_is_not_overwritten(daemon_config: Path, text: str) -> None:
    daemon_config.parent.mkdir()
    daemon_config.write_text(text)
    with pytest.raises(UnreachableError, match="is not a JSON object"):
        registry._configure("http://172.17.0.1:5055")
    assert daemon_config.read_text() == text
