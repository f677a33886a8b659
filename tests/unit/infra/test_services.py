"""Test rules for every service of the catalogue, so that a new service is checked without a new test."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from infra.component import generated_secrets
from infra.component.containers import processes_of
from infra.component.networks import INTERNET, WEB, networks_of
from infra.services import Build, Context, Service, catalogue, profiles, selected
from infra.settings import Settings
from stack_runtime.errors import UsageError

FULL = Settings.of("dev", {"profiles": ["full"]})
BY_HTTP = Settings.of("prod", {"host": "hetzner", "domain": "example.org", "email": "someone@example.org"})
BY_DNS = BY_HTTP.model_copy(update={"certificate_challenge": "dns"})
EMAIL = {"to": "me@example.org", "sender": "fds@example.org", "server": "smtp.example.org", "user": "me"}
NOTIFIED = Settings.of("dev", {"profiles": ["full"], "notify": {"email": EMAIL, "slack": True, "webhook": True}})
FOR_EACH_SERVICE = pytest.mark.parametrize("service", catalogue(), ids=lambda service: service.name)


@FOR_EACH_SERVICE
def test_service_does_not_run_as_root(service: Service) -> None:
    uid, _, gid = service.user.partition(":")
    assert uid.isdigit() and gid.isdigit()
    assert uid != "0"


@FOR_EACH_SERVICE
def test_service_has_limits_at_or_above_the_reservations(service: Service) -> None:
    own = service.resources
    assert 0 < own.memory_mb <= own.memory_limit_mb
    assert 0 < own.cpu <= own.cpu_limit


@FOR_EACH_SERVICE
def test_image_is_built_or_has_a_tag_other_than_latest(service: Service) -> None:
    if isinstance(service.image, Build):
        assert service.image.dockerfile.startswith("data_stack/images/")
    else:
        _, _, tag = service.image.partition(":")
        assert tag and tag != "latest"


@FOR_EACH_SERVICE
def test_no_secret_is_in_environment_variables_or_arguments(service: Service) -> None:
    context = _context()
    plain = [*service.command, *service.entrypoint, *service.environment(FULL).values()]
    for secret in context.secrets.values():
        assert not any(secret in text for text in plain)


@FOR_EACH_SERVICE
def test_no_secret_is_in_environment_variables_or_arguments_with_a_dns_challenge(service: Service) -> None:
    secrets = _context(BY_DNS).secrets.values()
    plain = [*service.command, *service.environment(BY_DNS).values()]
    assert not any(secret in text for secret in secrets for text in plain)


@FOR_EACH_SERVICE
def test_files_have_the_same_content_when_rendered_twice(service: Service) -> None:
    for file in service.files:
        assert file.content(_context()) == file.content(_context())


@FOR_EACH_SERVICE
def test_service_shares_a_network_with_services_that_it_needs_and_with_the_proxy_if_it_has_a_route(
    service: Service,
) -> None:
    inside = {each.name: set(networks_of(each)) - {INTERNET} for each in catalogue()}
    assert all(inside[service.name] & inside[need] for need in service.needs)
    if service.route:
        assert all(inside[service.name] & inside[each.name] for each in catalogue() if each.published)


@FOR_EACH_SERVICE
def test_only_proxy_and_services_that_need_the_internet_reach_it_and_the_proxy_reaches_no_database(
    service: Service,
) -> None:
    on = networks_of(service)
    assert (INTERNET in on) == (service.internet or service.name == "traefik")
    assert service.name != "traefik" or set(on) == {INTERNET, WEB}


def test_process_limit_is_the_sum_over_all_services_with_the_same_user() -> None:
    """The kernel counts processes per user id, so services with the same user share one limit."""
    of_user: Counter[str] = Counter()
    for service in catalogue():
        of_user[service.user] += service.resources.processes
    for service in catalogue():
        assert service.resources.processes <= processes_of(service) == of_user[service.user] <= 4096
    assert any(processes_of(service) > service.resources.processes for service in catalogue())


@FOR_EACH_SERVICE
def test_health_check_does_not_use_loopback(service: Service) -> None:
    """A check over loopback would pass even if other containers cannot reach the service."""
    read = [file.content(_context()) for file in service.files if f"/run/fds/{file.name}" in service.health.command]
    for text in (*service.health.command, *read):
        assert not re.search(r"127\.0\.0\.1|localhost:|::1|0\.0\.0\.0", text)


def test_only_the_proxy_publishes_ports() -> None:
    assert [service.name for service in catalogue() if service.published] == ["traefik"]


def test_catalogue_lists_each_service_after_the_services_that_it_needs() -> None:
    seen: set[str] = set()
    for service in catalogue():
        assert set(service.needs) <= seen
        seen.add(service.name)


def test_lean_profile_is_always_selected_and_full_selects_all_profiles() -> None:
    assert {service.profile for service in selected(Settings.of("dev", {}))} == {"lean"}
    assert [service.name for service in selected(FULL)] == [s.name for s in catalogue() if s.wanted(FULL)]
    assert {service.profile for service in selected(FULL)} == set(profiles())
    assert "lean" in profiles()


def test_doubled_memory_reservation_doubles_the_memory_limit() -> None:
    plain = {service.name: service for service in selected(FULL)}["postgres"]
    settings = Settings.of("dev", {"services": {"postgres": {"memoryMb": plain.resources.memory_mb * 2}}})
    changed = {service.name: service for service in selected(settings)}["postgres"]
    assert changed.resources.memory_limit_mb == plain.resources.memory_limit_mb * 2


def test_cpu_override_above_the_limit_raises_the_limit() -> None:
    changed = {
        cores: {s.name: s for s in selected(Settings.of("dev", {"services": {"postgres": {"cpu": cores}}}))}["postgres"]
        for cores in (0.5, 8)
    }
    assert [changed[cores].resources.cpu for cores in changed] == [0.5, 8]
    assert changed[0.5].resources.cpu_limit < changed[8].resources.cpu_limit == 8


@pytest.mark.parametrize("values", [{"profiles": ["nope"]}, {"services": {"nope": {"memoryMb": 64}}}])
def test_unknown_profile_or_service_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="nope"):
        selected(Settings.of("dev", values))


def test_error_about_secrets_that_are_not_generated_yet_names_the_next_command() -> None:
    with pytest.raises(UsageError, match="not generated yet") as caught:
        generated_secrets.require(FULL, ())
    assert caught.value.next_command == "fds up --stack dev"


def test_dns_challenge_requires_a_token_which_is_delivered_as_a_file() -> None:
    with pytest.raises(UsageError, match="dns_token") as caught:
        generated_secrets.require(BY_DNS, generated_secrets.names(BY_DNS))
    assert caught.value.next_command == "pulumi config set --secret --path secrets.dns_token --stack prod"
    generated_secrets.require(BY_DNS, {*generated_secrets.names(BY_DNS), "dns_token"})
    generated_secrets.require(FULL, generated_secrets.names(FULL))
    proxy = {service.name: service for service in selected(BY_DNS)}["traefik"]
    files = {file.name: file.content(_context(BY_DNS)) for file in proxy.files}
    assert proxy.environment(BY_DNS) == {"HETZNER_API_TOKEN_FILE": "/run/fds/dns_token"}
    assert files["dns_token"] == "secret-value-of-dns_token"
    acme = json.loads(files["traefik.yml"])["certificatesResolvers"]["acme"]["acme"]
    assert acme["dnsChallenge"] == {"provider": "hetzner"} and "httpChallenge" not in acme
    routers = json.loads(files["routes.yml"])["http"]["routers"].values()
    assert {router["tls"]["domains"][0]["sans"][0] for router in routers} == {"*.example.org"}


@pytest.mark.parametrize("settings", [FULL, BY_HTTP, NOTIFIED])
def test_selected_services_have_no_empty_file(settings: Settings) -> None:
    for service in selected(settings):
        assert all(file.content(_context(settings)) for file in service.files), service.name


def test_staging_certificates_come_from_the_staging_acme_server() -> None:
    staging = BY_HTTP.model_copy(update={"certificates": "staging"})
    proxy = {service.name: service for service in selected(staging)}["traefik"]
    static = json.loads(proxy.files[0].content(_context(staging)))
    assert "acme-staging" in static["certificatesResolvers"]["acme"]["acme"]["caServer"]


def _context(settings: Settings = FULL) -> Context:
    names = {
        *generated_secrets.names(settings),
        *(name for service in catalogue() for asking in (BY_DNS, NOTIFIED) for name in service.asked(asking)),
    }
    return Context(settings, {name: f"secret-value-of-{name}" for name in names}, selected(settings))
