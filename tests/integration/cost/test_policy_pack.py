"""Test the policy pack with the real Pulumi engine, mostly with programs that do not call the gate themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker as docker_sdk
import pulumi
import pulumi_docker as docker
import pulumi_hcloud as hcloud
import pytest
from pulumi import automation

from stack_runtime.paths import PROJECT
from tests.integration.plugins.conftest import containers, daemon, engine, image, stand_ins, surroundings
from tests.kit.engine import Stack, inline_stack
from tests.kit.hetzner.api import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

__all__ = ["daemon", "engine", "image", "stand_ins", "surroundings"]
PACK = Path(__file__).parents[3] / "infra" / "policy"
FRESH = {"fxRate": "1.1637", "fxDate": "2026-05-27", "allowSnapshot": "true"}
Deploy = Callable[..., Stack]


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    """Yield a double of the Hetzner API whose account is empty."""
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def deploy(surroundings: dict[str, str], api: HetznerAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Return a function that makes a stack `prod` from any program; the stack deploys to the account of `api`."""
    monkeypatch.setenv("HCLOUD_TOKEN", api.token)
    monkeypatch.setenv("HCLOUD_ENDPOINT", api.endpoint)
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FDS_PRICES_DIR", raising=False)

    def make(program: Callable[[], None], **settings: str) -> Stack:
        ours = inline_stack(tmp_path, PROJECT, "prod", program)
        given = {"host": "hetzner", **FRESH, **settings}
        ours.set_all_config({f"{PROJECT}:{key}": automation.ConfigValue(value) for key, value in given.items()})
        return ours

    return make


def _server(name: str = "server", server_type: str = "cpx42", firewall: pulumi.Input[int] = 17) -> hcloud.Server:
    return hcloud.Server(
        name, name=name, server_type=server_type, location="fsn1", image="debian-12", firewall_ids=[firewall]
    )


def _firewall() -> pulumi.Output[int]:
    rule = hcloud.FirewallRuleArgs(direction="in", protocol="tcp", port="443", source_ips=["0.0.0.0/0"])
    return hcloud.Firewall("firewall", rules=[rule]).id.apply(int)


@pytest.mark.parametrize("host", ["hetzner", "local"])
def test_server_over_budget_is_not_created(deploy: Deploy, api: HetznerAPI, host: str) -> None:
    """The pack refuses the server in a deployment and in a preview, even if the setting `host` is `local`."""
    stack = deploy(_server, host=host)
    with pytest.raises(
        automation.CommandError, match=r"over: \$96\.93 a month is \$46\.93 over the budget of \$50\.00"
    ):
        stack.up(policy_packs=[str(PACK)])
    assert api.writes() == []
    with pytest.raises(automation.CommandError, match="over: "):
        stack.preview(policy_packs=[str(PACK)])
    assert api.writes() == []


def test_at_most_one_server_is_created_if_two_together_exceed_the_budget(deploy: Deploy, api: HetznerAPI) -> None:
    def program() -> None:
        firewall = _firewall()
        _server("one", "cpx22", firewall)
        _server("two", "cpx22", firewall)

    with pytest.raises(automation.CommandError, match="over: "):
        deploy(program).up(policy_packs=[str(PACK)])
    assert len([entry for entry in api.writes() if entry.path.endswith("/servers")]) <= 1


def _server_with_firewall() -> None:
    _server("server", "cpx22", _firewall())


def test_server_within_the_budget_is_created(deploy: Deploy, api: HetznerAPI) -> None:
    stack = deploy(_server_with_firewall)
    stack.up(policy_packs=[str(PACK)])
    assert api.account()["servers"] == 1
    stack.destroy()


def test_resource_in_another_account_is_not_created(deploy: Deploy, api: HetznerAPI) -> None:
    """The plan counts only the stack's own account, so the pack refuses a provider with another account's token."""

    def program() -> None:
        other = hcloud.Provider("other", token=pulumi.Output.secret("o" * 64), endpoint=api.endpoint)
        hcloud.Network("network", ip_range="10.0.0.0/16", opts=pulumi.ResourceOptions(provider=other))

    with pytest.raises(automation.CommandError, match="other has another token than the stack") as refused:
        deploy(program).up(policy_packs=[str(PACK)])
    assert "o" * 64 not in str(refused.value) and api.writes() == []


def _container(name: str = "app", **more: Any) -> None:
    """Register a container that is never started. It breaks no rule by itself; the inputs in `more` may break one."""
    given = {"image": "redis:7", "memory": 16, "memory_swap": 16, "cpus": "0.1", **more}
    docker.Container(name, start=False, must_run=False, **given)


SOCKET = "//var/run//docker.sock"


VIOLATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "path": ({"volumes": [{"host_path": SOCKET, "container_path": "/s"}]}, "no path of the host may be mounted"),
    "named": ({"volumes": [{"volume_name": SOCKET, "container_path": "/s"}]}, "which is not the name of a volume"),
    "bind": (
        {"mounts": [{"type": "bind", "source": "/proc/1/root", "target": "/host"}]},
        "sets mounts[0].type to bind",
    ),
    "adds": ({"capabilities": {"adds": ["SYS_ADMIN"]}}, "sets capabilities.adds, which is not allowed"),
    "pid": ({"pid_mode": "host"}, "sets pidMode, which is not allowed"),
    "net": ({"network_mode": "container:traefik"}, "sets networkMode to container:traefik"),
    "seccomp": ({"security_opts": ["seccomp=unconfined"]}, "sets securityOpts[0] to seccomp=unconfined"),
    "label": (
        {"ports": [{"internal": 80, "external": 8080}], "labels": [{"label": "fds.service", "value": "traefik"}]},
        "publishes ports, only prod-traefik may",
    ),
}


def _program_with_every_violation() -> None:
    for name, (more, _) in VIOLATIONS.items():
        _container(name, **more)
    hidden = pulumi.Output.secret([docker.ContainerVolumeArgs(host_path=SOCKET, container_path="/s")])
    _container("secret", volumes=hidden)
    docker.Network("macvlan", driver="macvlan")
    docker.Volume("options", driver_opts={"o": "bind", "device": "/"})
    hcloud.Server("bare", server_type="cpx22", location="fsn1", image="debian-12")
    rule = hcloud.FirewallRuleArgs(direction="in", protocol="tcp", port="1-65535", source_ips=["0.0.0.0/0"])
    hcloud.Firewall("open", rules=[rule])


def test_preview_names_every_resource_that_breaks_a_rule(deploy: Deploy) -> None:
    with pytest.raises(automation.CommandError) as refused:
        deploy(_program_with_every_violation, budgetUsd="100").preview(policy_packs=[str(PACK)])
    output = " ".join(str(refused.value).split())
    for name, (_, says) in VIOLATIONS.items():
        assert says in output, name
    for says in (
        "secret sets volumes[0].hostPath to",
        "macvlan sets driver to macvlan, allowed is bridge",
        "options sets driverOpts, which is not allowed",
        "bare has no firewall in firewallIds",
        "open sets rules[0].port to 1-65535, allowed is 22 or 80 or 443",
    ):
        assert says in output


@pytest.mark.parametrize("name", ["named", "label"])
def test_container_that_breaks_a_rule_is_not_created(
    deploy: Deploy, daemon: docker_sdk.DockerClient, name: str
) -> None:
    more, says = VIOLATIONS[name]
    stack = deploy(lambda: _container(name, **more), host="local")
    with pytest.raises(automation.CommandError, match=says):
        stack.up(policy_packs=[str(PACK)])
    assert containers(daemon, f"{name}-") == []


def test_container_with_the_name_of_the_proxy_and_another_image_is_refused(
    deploy: Deploy, daemon: docker_sdk.DockerClient, image: str
) -> None:
    labels = {"fds.project": PROJECT, "fds.service": "traefik", "fds.stack": "prod"}
    port = docker.ContainerPortArgs(internal=8000, external=8080, ip="127.0.0.1")
    stack = deploy(
        lambda: _container(
            "prod-traefik",
            image=daemon.images.get(image).id,
            command=["traefik", "--configfile=/run/fds/traefik.yml"],
            user="65532:65532",
            labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in labels.items()],
            ports=[port],
        ),
        host="local",
    )
    try:
        with pytest.raises(automation.CommandError, match="prod-traefik publishes ports and runs sha256:"):
            stack.up(policy_packs=[str(PACK)])
    finally:
        stack.destroy()


def test_containers_that_do_not_fit_the_server_are_not_created(
    deploy: Deploy, api: HetznerAPI, daemon: docker_sdk.DockerClient
) -> None:
    def program() -> None:
        after = pulumi.ResourceOptions(depends_on=[_server("server", "cpx22", _firewall())])
        docker.Container("pack-large", image="redis:7", memory=4000, memory_swap=4000, cpus="0.1", opts=after)

    stack = deploy(program)
    with pytest.raises(automation.CommandError, match="does not fit: the memory limit of one service: 4,000 MiB"):
        stack.up(policy_packs=[str(PACK)])
    assert containers(daemon, "pack-large") == []
    stack.destroy()


@pytest.mark.slow
def test_program_of_this_project_passes_the_policy_pack_with_the_profile_full(api: HetznerAPI, tmp_path: Path) -> None:
    """Preview a local stack and a stack on a new server.

    In the preview of the local stack, the values that providers set by default are known. In the preview of the new
    server, they are unknown, because its Docker provider is not configured yet.
    """
    for stack, settings in (
        ("pack-dev", {"host": "local"}),
        ("pack-prod", {**ON_A_SERVER, "budgetUsd": "200", "budgetGroup": "pack-tests", "sshFrom": ["192.0.2.0/24"]}),
    ):
        folder = tmp_path / stack
        folder.mkdir()
        project = Project(folder, stack, {**settings, "profiles": ["full"]}, dict(api.environment))
        project.take_secrets()
        project.generate_secrets()
        prepared = project.fds("preview")
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        plain = project.engine("preview", "--non-interactive", "--policy-pack", str(PACK))
        assert plain.returncode == 0, plain.stdout + plain.stderr
        assert f"{stack}-traefik" in plain.stdout
