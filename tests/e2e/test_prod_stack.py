"""Test the prod stack on a simulated Hetzner account: deploy it, run the pipeline, inspect the server, and update it.

This file, `test_prod_stack_agents.py` and `test_prod_stack_faults.py` use one server in this order, because a boot
takes most of a minute. The slow tests kill deployments at each kind of write request to the API, and at each kind of
step on the server. All services are deployed in the same kinds of steps, so one kill for each kind is enough.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any
from uuid import uuid4

import pytest

from infra.hosts import container_metrics
from stack_runtime.remote import HOST_COMMAND
from tests.e2e.killing import build_steps, deploy_with_kills
from tests.e2e.prod import LEAN, STACK, Prod
from tests.kit.hetzner.scan import open_ports
from tests.kit.https import Visitor, assert_guarded

pytestmark = pytest.mark.timeout(1500)

ONE_OF_EACH = {
    "servers": 1, "volumes": 1, "networks": 1, "firewalls": 1, "ssh_keys": 1, "primary_ips": 2,
    "zones": 1, "rrsets": 4,  # DNS record sets: two that every zone has, one for the domain, one for its subdomains
}  # fmt: skip
WRITES = {
    "POST /ssh_keys", "POST /networks", "POST /networks/N/actions/add_subnet", "POST /firewalls", "POST /volumes",
    "POST /volumes/N/actions/change_protection", "POST /servers", "POST /servers/N/actions/change_protection",
    "POST /servers/N/actions/attach_to_network", "POST /volumes/N/actions/attach",
    "POST /zones/example.test/rrsets",
}  # fmt: skip
STEPS = {
    "network create", "volume create", "image tag", "container create uploader",
    "container create service", "container start service",
}  # fmt: skip
IDLE = "trap exit TERM; sleep 600 & wait"
"""Command of a container that never becomes healthy and stops without delay."""
NETWORKS = {"data", "internet", "web"}
VOLUMES = {"certificates", "metrics", "postgres", "published", "warehouse", *(f"{name}-files" for name in LEAN)}


def _assert_one_of_each_resource(prod: Prod) -> None:
    """Assert that the account and the server have every resource of the stack, and none twice.

    Assert also that no server was replaced, and that the Pulumi state has as many containers as the stack.
    """
    assert prod.resource_counts() == ONE_OF_EACH
    assert prod.servers_created() == 1, "a server was replaced"
    assert sorted(prod.containers()) == ["files", *LEAN]
    assert prod.recorded_containers() == len(LEAN) + 1
    networks = set(prod.docker("network", "ls", "--format", "{{.Name}}"))
    assert networks == {"bridge", "host", "none"} | {f"freelancer-data-stack-{STACK}-{name}" for name in NETWORKS}
    volumes = set(prod.docker("volume", "ls", "--format", "{{.Name}}"))
    assert volumes == {f"freelancer-data-stack-{STACK}-{name}" for name in VOLUMES}
    assert [image.partition(":")[0] for image in prod.images()] == [
        f"fds/{prod.project.stack}-{name}" for name in ("pipeline", "streamlit")
    ]


@pytest.mark.slow
def test_deployments_killed_at_every_kind_of_step_leave_one_of_each_resource(account: Prod) -> None:
    killed_steps = deploy_with_kills(account)
    assert killed_steps >= WRITES, sorted(WRITES - killed_steps)
    assert killed_steps >= STEPS, sorted(STEPS - killed_steps)
    _assert_one_of_each_resource(account)


def test_every_service_is_healthy(prod: Prod) -> None:
    _assert_one_of_each_resource(prod)
    assert prod.health() == dict.fromkeys(LEAN, "healthy")


def test_repeated_up_changes_nothing(prod: Prod) -> None:
    before = len(prod.api.writes())
    assert prod.project.json("up")["changed"] == 0
    assert len(prod.api.writes()) == before


def test_deploy_user_may_start_the_timer_that_measures_containers(prod: Prod) -> None:
    """Run the command that a deployment with the profile `monitoring` runs on the server.

    This stack lacks the profile, so the measuring program finds no volume to write into, and prints nothing.
    """
    timer = container_metrics.TIMER.name
    for _ in range(2):
        assert prod.console("su", "deploy", "-c", f"sudo {HOST_COMMAND} measure") == ""
        assert prod.console("systemctl", "is-active", timer).strip() == "active"
    assert prod.console(str(container_metrics.PROGRAM)) == ""
    prod.console("systemctl", "disable", "--quiet", "--now", timer)


def test_pipeline_runs_on_the_server(prod: Prod, first_run: dict[str, Any]) -> None:
    rows = first_run["rows"]
    assert first_run["published"] and rows["read"] == rows["loaded"] + rows["quarantined"] + rows["replaced"]
    assert prod.rows() > 0


def test_every_ui_has_an_issued_certificate_and_a_login(prod: Prod, visitor: Visitor) -> None:
    names, password = prod.uis(), prod.secrets()["ui_password"]
    assert names == [f"dashboard.{prod.settings()['freelancer-data-stack:domain']}"]
    for name in names:
        assert visitor.wait_for(name, 60), prod.console("docker", "logs", prod.containers()["traefik"])
        assert_guarded(visitor, name, password)


def test_only_ports_22_80_and_443_of_the_server_are_open(prod: Prod) -> None:
    public = prod.server.public_net
    assert public is not None and public.ipv4 is not None
    assert open_ports(public.ipv4.ip, (22, 80, 443)) == {22, 80, 443}
    assert open_ports(prod.machines.bridge_address(prod.server.id)) == {22, 80, 443}


def test_containers_on_the_server_are_hardened(prod: Prod) -> None:
    for item in prod.inspect():
        host, uploader = item["HostConfig"], item["Config"]["Labels"]["fds.service"] == "files"
        assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert not any("docker.sock" in mount["Source"] for mount in item["Mounts"])
        assert host["NetworkMode"] != "host" and host["PidMode"] == "" and not host["Devices"]
        if uploader:  # the container that uploads files is never started
            assert item["State"]["Status"] == "created"
        else:
            assert host["ReadonlyRootfs"] and "no-new-privileges:true" in host["SecurityOpt"]
            assert item["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_no_secret_in_pulumi_state_images_logs_process_arguments_or_output_of_docker_inspect(prod: Prod) -> None:
    secrets = prod.secrets()
    assert len(secrets) >= 6
    processes = prod.console("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    logs = "".join(prod.console("docker", "logs", item) for item in prod.docker("ps", "--quiet"))
    journal = prod.console("sh", "-c", "cat /var/log/*.log; journalctl --no-pager --quiet")
    history = "".join("\n".join(prod.docker("history", "--no-trunc", image)) for image in prod.images())
    images = prod.console("docker", "inspect", *prod.images())
    seen = {"inspect": json.dumps(prod.inspect()), "processes": processes, "logs": logs, "journal": journal}
    for place, text in (seen | {"images": images, "history": history}).items():
        assert len(text) > 100, f"no text was searched in {place}"
        assert [name for name, secret in secrets.items() if secret in text] == [], place
    lines = "\n".join(secrets.values())
    state = prod.project.folder / ".fds" / "state"
    assert list(state.rglob(f"{STACK}.json")), "there is no state to search"
    grep = ["grep", "-rlF", "-f", "-", str(state)]
    assert subprocess.run(grep, input=lines, capture_output=True, text=True).stdout == "", "state"
    controls = {
        "frame.rerun_when_changed(frame.state())",
        "name: ai_agent_data_stack",
    }  # texts that must be found in the images, as proof that the layers were searched
    assert _in_layers(prod, "\n".join([lines, *controls])) == controls, "image layers"


def _in_layers(prod: Prod, lines: str) -> set[str]:
    """Return those of `lines` that occur in a layer of an image that was built for the stack."""
    images = json.loads(prod.console("docker", "inspect", *prod.images()))
    layers = {
        part
        for image in images
        for key in ("LowerDir", "UpperDir")
        for part in image["GraphDriver"]["Data"][key].split(":")
    }
    server = ["docker", "exec", "--interactive", "--env", "LC_ALL=C", str(prod.machines.container(prod.server.id).name)]
    grep = ["grep", "-rhaoF", "-f", "-", *layers]
    done = subprocess.run([*server, *grep], input=lines, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return set(done.stdout.splitlines())


def test_changed_label_of_the_server_is_reported_as_drift(prod: Prod) -> None:
    labels = dict(prod.server.labels or {})
    prod.server.update(labels={**labels, "managed-by": "someone"})
    drift = prod.project.fds("drift", "--json")
    assert drift.returncode == 1 and json.loads(drift.stdout)["drifted"] >= 1
    prod.server.update(labels=labels)


@pytest.mark.slow
def test_update_killed_at_image_and_container_steps_replaces_only_the_changed_containers(
    prod: Prod, visitor: Visitor
) -> None:
    before, images, name = prod.containers(), prod.images(), prod.uis()[0]
    certificate = visitor.serial(name)
    # Insert text that no earlier build contained, so that a new layer is built. The next deployment reverts the change.
    code = ("stack_runtime/status.py", '"""Collect', f'"""Changed by test {uuid4()}: collect')
    proxy = ("infra/services/traefik.py", '"stsSeconds": 31_536_000', '"stsSeconds": 31_536_001')
    steps = {"image tag", "container destroy service", "container create service"} | build_steps(prod)
    with prod.edited(code, proxy):
        assert deploy_with_kills(prod, steps) == steps
    _assert_one_of_each_resource(prod)
    after = prod.containers()
    assert {name for name in after if after[name] != before[name]} == {"files", "pipeline", "streamlit", "traefik"}
    assert not set(images) & set(prod.images()), "an unused image was not removed"
    assert prod.health() == dict.fromkeys(LEAN, "healthy")
    assert "31536001" in str(visitor.get(name).headers["Strict-Transport-Security"]), "the old proxy still runs"
    assert visitor.serial(name) == certificate, "the new proxy did not reuse the stored certificate"


@pytest.mark.slow
def test_failed_update_leaves_the_old_container_running(prod: Prod) -> None:
    before = prod.containers()["streamlit"]
    impatient = (
        "infra/component/containers.py",
        "wait_timeout=max(WAIT_S, service.health.start_period_s)",
        'wait_timeout=8 if service.name == "streamlit" else WAIT_S',
    )
    sick = ("data_stack/images/streamlit/Dockerfile", 'CMD ["streamlit", "run", "app.py"]', f"CMD {IDLE}")
    with prod.edited(impatient, sick):
        failed = prod.project.fds("up")
    assert failed.returncode == 1 and "healthy" in failed.stderr and "Traceback" not in failed.stderr
    running = prod.docker(
        "ps", "--no-trunc", "--filter", "label=fds.service=streamlit", "--format", "{{.ID}} {{.Status}}"
    )
    assert any(re.match(rf"{before} .*\(healthy\)", line) for line in running), running
    prod.project.json("up")
    _assert_one_of_each_resource(prod)
    assert prod.health() == dict.fromkeys(LEAN, "healthy")
