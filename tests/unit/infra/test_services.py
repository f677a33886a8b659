"""Rules that hold for every service of the catalogue, so that a new module is checked without a new test."""

from __future__ import annotations

import pytest

from infra import generated
from infra.services import Build, Context, Service, catalogue, profiles, selected
from infra.settings import Settings
from stack_runtime.errors import UsageError

FULL = Settings.of("dev", {"profiles": ["full"]})
EVERY = pytest.mark.parametrize("service", catalogue(), ids=lambda service: service.name)


@EVERY
def test_service_runs_without_root_or_says_why(service: Service) -> None:
    uid, _, gid = service.user.partition(":")
    assert uid.isdigit() and gid.isdigit()
    assert (uid != "0") or service.root_reason


@EVERY
def test_service_has_limits_at_or_above_its_reservations(service: Service) -> None:
    own = service.resources
    assert 0 < own.memory_mb <= own.memory_limit_mb
    assert 0 < own.cpu <= own.cpu_limit


@EVERY
def test_image_is_pinned_or_built(service: Service) -> None:
    if isinstance(service.image, Build):
        assert service.image.dockerfile.startswith("data_stack/images/")
    else:
        _, _, tag = service.image.partition(":")
        assert tag and tag != "latest"


@EVERY
def test_no_secret_in_environment_or_arguments(service: Service) -> None:
    context = _context()
    plain = [*service.command, *service.entrypoint, *service.environment(FULL).values()]
    for secret in context.secrets.values():
        assert not any(secret in text for text in plain)


@EVERY
def test_files_render_the_same_twice(service: Service) -> None:
    for file in service.files:
        assert file.content(_context()) == file.content(_context())


def test_only_the_proxy_publishes_ports() -> None:
    assert [service.name for service in catalogue() if service.published] == ["traefik"]


def test_needs_come_first() -> None:
    seen: set[str] = set()
    for service in catalogue():
        assert set(service.needs) <= seen
        seen.add(service.name)


def test_lean_is_always_on_and_full_is_everything() -> None:
    assert {service.profile for service in selected(Settings.of("dev", {}))} == {"lean"}
    assert selected(FULL) == catalogue()
    assert "lean" in profiles()


def test_memory_override_moves_the_limit_along() -> None:
    plain = {service.name: service for service in selected(FULL)}["postgres"]
    settings = Settings.of("dev", {"services": {"postgres": {"memoryMb": plain.resources.memory_mb * 2}}})
    changed = {service.name: service for service in selected(settings)}["postgres"]
    assert changed.resources.memory_limit_mb == plain.resources.memory_limit_mb * 2


@pytest.mark.parametrize("values", [{"profiles": ["nope"]}, {"services": {"nope": {"memoryMb": 64}}}])
def test_unknown_names_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="nope"):
        selected(Settings.of("dev", values))


def _context() -> Context:
    secrets = {name: f"secret-value-of-{name}" for name in generated.names(FULL)}
    return Context(FULL, secrets, catalogue())
