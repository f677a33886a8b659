"""Test the lock file of images: which files are refused, what is written, and which digests the Pulumi program uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound, NotFound
from requests import ReadTimeout, Response

from infra import build_context, image_digests, image_lock
from infra.services import Build, catalogue
from infra.settings import Settings
from stack_runtime.errors import StackError, UnreachableError, UsageError
from tests.kit.project import ON_A_SERVER
from tests.kit.registered import registered
from tests.unit.cost.kit import SHIPPED

POSTGRES = "sha256:" + "1a" * 32
PYTHON = "sha256:" + "2b" * 32
SETTINGS = Settings.of("dev", {})
USED = ["postgres:15", "python:3.11-slim", "traefik:v3.7"]


def write(folder: Path, text: str) -> None:
    (folder / image_lock.FILE).write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "- postgres:15\n", "just a text\n", f"postgres:15: [{POSTGRES}]\n", "postgres:15: 15\n", "postgres:15:\n",
        "postgres:15: sha256:1a1a\n", f"postgres:15: {POSTGRES}0\n", f"postgres:15: {POSTGRES.upper()}\n",
        f"postgres:15: sha512:{'1a' * 32}\n", f"postgres:15: '{POSTGRES}'\n", f"version: {POSTGRES}\n",
        f"postgres: {POSTGRES}\n", f"postgres:15@{PYTHON}: {POSTGRES}\n", f"../postgres:15: {POSTGRES}\n",
        f"postgres:15 --privileged: {POSTGRES}\n", f" postgres:15: {POSTGRES}\n", "images:\n",
        f"postgres:15: !!python/object/apply:os.system [{POSTGRES}]\n", f"postgres:15: !!str {POSTGRES}\n",
        f"postgres:15: &a {POSTGRES}\n", "postgres:15: *a\n", f"postgres:15: {POSTGRES} # newer\n",
        f"{{postgres:15: {POSTGRES}}}\n", "postgres:15: [\n", "[" * 5000 + "]" * 5000, "a" * 1_000_000, "---\n",
        f"p\N{CYRILLIC SMALL LETTER O}stgres:15: {POSTGRES}\n",
        "postgres:15: sha256:" + "\N{ARABIC-INDIC DIGIT ONE}" * 64,
    ],
)  # fmt: skip
def test_malformed_line_of_the_lock_file_is_a_one_line_error_with_the_line_number(tmp_path: Path, text: str) -> None:
    write(tmp_path, "# a comment\n" + text)
    with pytest.raises(UsageError) as raised:
        image_lock.read(tmp_path)
    message = str(raised.value)
    assert message.startswith("line 2 is not an image and its digest") and "\n" not in message
    assert message.endswith("(images.lock.yaml); next: correct images.lock.yaml, or remove it, then fds up")


def test_lock_file_with_two_lines_for_one_image_is_refused(tmp_path: Path) -> None:
    write(tmp_path, f"postgres:15: {POSTGRES}\n\npostgres:15: {PYTHON}\n")
    with pytest.raises(UsageError, match="line 3 locks postgres:15 again"):
        image_lock.read(tmp_path)


def test_lock_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / image_lock.FILE).write_bytes(b"postgres:15: \xff\n")
    with pytest.raises(UsageError, match="cannot be read"):
        image_lock.read(tmp_path)
    (tmp_path / image_lock.FILE).unlink()
    (tmp_path / image_lock.FILE).mkdir()
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        image_lock.read(tmp_path)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n", None])
def test_empty_or_missing_lock_file_pins_no_image(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        write(tmp_path, text)
    assert image_lock.read(tmp_path) == {}
    assert image_lock.pinned("postgres:15", {}) == "postgres:15"


def test_every_image_of_the_catalogue_can_be_locked(tmp_path: Path) -> None:
    names = [*build_context.pulled_images(catalogue()), "registry.example.org:5000/team/image:1.0", "ghcr.io/a/b:v1"]
    write(tmp_path, "".join(f"{name}: {POSTGRES}\n" for name in names))
    assert image_lock.read(tmp_path) == dict.fromkeys(names, POSTGRES)


class Registry:
    """Double of a Docker client, with images on the host and answers of a registry.

    Args:
        local: for each image on the host, by name, its digests in the form `repository@digest`.
        served: for each image in the registry, by name, its digest or the error that a request for it raises.
    """

    def __init__(self, local: dict[str, list[str]], served: dict[str, str | Exception]) -> None:
        self.images = self
        self._local, self._served = local, served
        self.id = ""
        self.attrs: dict[str, Any] = {}
        self.asked: list[str] = []

    def get(self, name: str) -> Registry:
        repository, _, digest = name.partition("@")
        key = f"{repository.rpartition(':')[0]}@{digest}"
        found = next((v for k, v in self._local.items() if k == name or (digest and key in v)), None)
        if found is None:
            raise ImageNotFound("no such image")
        self.attrs = {"RepoDigests": found}
        return self

    def get_registry_data(self, name: str) -> Registry:
        self.asked.append(name)
        answer = self._served.get(name, NotFound("manifest unknown"))
        if isinstance(answer, Exception):
            raise answer
        self.id = answer
        return self


def complete(folder: Path, client: Registry) -> image_digests.Pinning:
    return image_digests.complete(client, folder, SETTINGS)  # type: ignore[arg-type]


def test_digests_in_the_lock_file_are_not_requested_from_the_registry_again(tmp_path: Path) -> None:
    served: dict[str, str | Exception] = dict.fromkeys(USED, POSTGRES)
    first = complete(tmp_path, Registry({"postgres:15": [f"postgres@{PYTHON}"]}, served))
    assert first.new == dict.fromkeys(USED, POSTGRES) == image_lock.read(tmp_path) and first.unpinned == {}
    assert len(first.lines()) == 1 and "pinned postgres:15, python:3.11-slim, traefik:v3.7" in first.lines()[0]
    before = (tmp_path / image_lock.FILE).stat().st_mtime_ns
    again = Registry({name: [f"{name.partition(':')[0]}@{POSTGRES}"] for name in USED}, {})
    assert complete(tmp_path, again).lines() == [] and again.asked == []
    assert (tmp_path / image_lock.FILE).stat().st_mtime_ns == before


@pytest.mark.parametrize("failure", [APIError("no route to host"), ReadTimeout("no answer")])
def test_digest_of_the_image_on_the_host_is_used_if_no_registry_answers(tmp_path: Path, failure: Exception) -> None:
    served: dict[str, str | Exception] = dict.fromkeys(USED, failure)
    local = {"postgres:15": [f"mirror.example/postgres@{PYTHON}", f"postgres@{POSTGRES}"], "python:3.11-slim": []}
    pinning = complete(tmp_path, Registry(local, served))
    assert pinning.new == image_lock.read(tmp_path) == {"postgres:15": POSTGRES}
    assert pinning.lines()[1:] == [
        "not pinned by digest: python:3.11-slim (built or loaded on the host, so no registry has it); "
        f"traefik:v3.7 (no registry gives its digest: {failure})"
    ]


def test_image_that_was_built_locally_is_never_locked_to_the_digest_of_the_official_image(tmp_path: Path) -> None:
    client = Registry({name: [f"127.0.0.1:5056/library/{name}@{PYTHON}"] for name in USED}, dict.fromkeys(USED, PYTHON))
    pinning = complete(tmp_path, client)
    assert pinning.new == {} and [*pinning.unpinned] == USED and client.asked == []
    assert not (tmp_path / image_lock.FILE).exists(), "without a digest, nothing is written"
    assert len(pinning.lines()) == 1


def test_line_of_an_image_that_no_service_pulls_is_removed_when_another_digest_is_added(tmp_path: Path) -> None:
    write(tmp_path, f"postgres:15: {POSTGRES}\npostgres:9: {PYTHON}\nredis:7: {PYTHON}\n")
    client = Registry({"postgres:15": [f"postgres@{POSTGRES}"]}, {"traefik:v3.7": POSTGRES})
    pinning = complete(tmp_path, client)
    assert "no service pulls postgres:9, which images.lock.yaml has: the lines were removed" in pinning.lines()
    found = {"postgres:15": POSTGRES, "redis:7": PYTHON, "traefik:v3.7": POSTGRES}
    assert image_lock.read(tmp_path) == found, "redis:7 is used by another profile"


def test_line_of_an_image_that_no_service_pulls_is_reported_and_kept_if_no_digest_is_added(tmp_path: Path) -> None:
    write(tmp_path, f"postgres:15: {POSTGRES}\npostgress:15: {PYTHON}\n")
    client = Registry({"postgres:15": [f"postgres@{POSTGRES}"], "python:3.11-slim": [], "traefik:v3.7": []}, {})
    warning = complete(tmp_path, client).lines()[-1]
    assert warning == (
        "no service pulls postgress:15, which images.lock.yaml has: correct their names, or remove their lines"
    )
    assert "postgress:15" in image_lock.read(tmp_path)


def test_locked_digest_that_the_registry_does_not_serve_is_refused(tmp_path: Path) -> None:
    write(tmp_path, f"postgres:15: {POSTGRES}\n")
    before = (tmp_path / image_lock.FILE).read_bytes()
    with pytest.raises(UsageError) as raised:
        complete(tmp_path, Registry({"postgres:15": [f"postgres@{PYTHON}"]}, dict.fromkeys(USED, PYTHON)))
    assert f"postgres:15 is locked to {POSTGRES}" in str(raised.value)
    assert raised.value.next_command == "remove the line of postgres:15 from images.lock.yaml, then fds up"
    assert (tmp_path / image_lock.FILE).read_bytes() == before


def test_locked_image_that_the_host_lacks_is_an_error_if_no_registry_answers(tmp_path: Path) -> None:
    write(tmp_path, f"postgres:15: {POSTGRES}\n")
    answer = Response()
    answer.status_code = 500
    served: dict[str, str | Exception] = {f"postgres:15@{POSTGRES}": APIError("500", answer, "dial tcp: i/o timeout")}
    with pytest.raises(UnreachableError, match="no registry answers: dial tcp: i/o timeout"):
        complete(tmp_path, Registry({}, served))


def test_failed_write_of_the_lock_file_is_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_lock, "write_atomically", full)
    with pytest.raises(StackError, match="cannot be written: No space left on device"):
        complete(tmp_path, Registry({}, dict.fromkeys(USED, POSTGRES)))


def test_program_pulls_images_and_base_images_by_the_locked_digests(tmp_path: Path) -> None:
    settings = {**ON_A_SERVER, "allowSnapshot": True}
    write(tmp_path, f"postgres:15: {POSTGRES}\npython:3.11-slim: {PYTHON}\n")
    found = {
        resource.name: resource.inputs
        for resource in registered(settings, FDS_PRICES_DIR=str(SHIPPED), FDS_PROJECT_DIR=str(tmp_path))
        if resource.kind == "docker:index/remoteImage:RemoteImage"
    }
    assert found["prod-postgres-15"]["name"] == f"postgres:15@{POSTGRES}"
    assert found["prod-traefik-v3.7"]["name"] == "traefik:v3.7"
    build = Build("data_stack/images/streamlit/Dockerfile")
    assert found["prod-streamlit-image"]["build"]["buildArgs"] == {"BASE": f"python:3.11-slim@{PYTHON}"}
    assert found["prod-streamlit-image"]["name"] == build_context.reference("prod", build, image_lock.read(tmp_path))
