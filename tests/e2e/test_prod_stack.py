"""The prod stack on the played Hetzner account, from an empty one on: killed at every step, run, looked into, changed.

One server lives through this file, `test_prod_stack_agents.py` and `test_prod_stack_faults.py`, in their order, for
booting one takes the better part of a minute. Writes to the API are killed at each kind; steps on the server too, but
several services do the same steps there, so one of each kind stands for all.
"""

from __future__ import annotations

import json
import re
import subprocess
from uuid import uuid4

import pytest

from tests.e2e.killing import build_steps, killed_until_through
from tests.e2e.prod import LEAN, STACK, Prod
from tests.e2e.test_dev_stack import SAMPLE
from tests.kit.hetzner.scan import open_ports
from tests.kit.https import Visitor, assert_guarded

pytestmark = pytest.mark.timeout(1500)

ONE_OF_EACH = {
    "servers": 1, "volumes": 1, "networks": 1, "firewalls": 1, "ssh_keys": 1, "primary_ips": 2,
    "zones": 1, "rrsets": 4,  # two of the zone's own, the domain and what lies below it
}  # fmt: skip
WRITES = {
    "POST /ssh_keys", "POST /networks", "POST /networks/N/actions/add_subnet", "POST /firewalls", "POST /volumes",
    "POST /volumes/N/actions/change_protection", "POST /servers", "POST /servers/N/actions/change_protection",
    "POST /servers/N/actions/attach_to_network", "POST /volumes/N/actions/attach",
    "POST /zones/example.test/rrsets",
}  # fmt: skip
STEPS = {
    "network create", "volume create", "image tag", "container create carrier",
    "container create service", "container start service",
}  # fmt: skip
IDLE = "trap exit TERM; sleep 600 & wait"
"""Never healthy, but stopped at once."""
NETWORKS = {"data", "internet", "web"}
VOLUMES = {"certificates", "postgres", "published", "warehouse", *(f"{name}-files" for name in LEAN)}


def _nothing_doubled_or_orphaned(prod: Prod) -> None:
    """What the account and the server hold is what the engine believes in, and one of each."""
    assert prod.in_account() == ONE_OF_EACH
    assert prod.ordered() == 1, "a server was replaced"
    assert sorted(prod.containers()) == ["files", *LEAN]
    assert prod.recorded() == len(LEAN) + 1
    networks = set(prod.docker("network", "ls", "--format", "{{.Name}}"))
    assert networks == {"bridge", "host", "none"} | {f"freelancer-data-stack-{STACK}-{name}" for name in NETWORKS}
    volumes = set(prod.docker("volume", "ls", "--format", "{{.Name}}"))
    assert volumes == {f"freelancer-data-stack-{STACK}-{name}" for name in VOLUMES}
    assert [image.partition(":")[0] for image in prod.images()] == ["fds/pipeline", "fds/streamlit"]


def test_it_is_born_of_deployments_that_were_killed_at_every_step(born: tuple[Prod, set[str]]) -> None:
    prod, killed_at = born
    assert killed_at >= WRITES, sorted(WRITES - killed_at)
    assert killed_at >= STEPS, sorted(STEPS - killed_at)
    _nothing_doubled_or_orphaned(prod)


def test_every_service_is_healthy(prod: Prod) -> None:
    assert prod.health() == dict.fromkeys(LEAN, "healthy")


def test_a_second_up_changes_nothing(prod: Prod) -> None:
    before = len(prod.api.writes())
    assert prod.project.json("up")["changed"] == 0
    assert len(prod.api.writes()) == before


def test_the_pipeline_runs_on_the_server(prod: Prod) -> None:
    run = prod.project.json("run", "--csv", str(SAMPLE))
    rows = run["rows"]
    assert run["published"] and rows["read"] == rows["loaded"] + rows["quarantined"] + rows["replaced"]
    assert prod.rows() > 0


def test_every_ui_has_a_certificate_that_an_authority_issued_and_a_login(prod: Prod, visitor: Visitor) -> None:
    names, password = prod.uis(), prod.secrets()["ui_password"]
    assert names == [f"dashboard.{prod.settings()['freelancer-data-stack:domain']}"]
    for name in names:
        assert visitor.wait_for(name, 60), prod.console("docker", "logs", prod.containers()["traefik"])
        assert_guarded(visitor, name, password)


def test_only_three_ports_are_open(prod: Prod) -> None:
    public = prod.server.public_net
    assert public is not None and public.ipv4 is not None
    assert open_ports(public.ipv4.ip, (22, 80, 443)) == {22, 80, 443}
    assert open_ports(prod.machines.bridge_address(prod.server.id)) == {22, 80, 443}


def test_no_container_may_do_more_than_it_must(prod: Prod) -> None:
    for item in prod.inspect():
        host, carrier = item["HostConfig"], item["Config"]["Labels"]["fds.service"] == "files"
        assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert not any("docker.sock" in mount["Source"] for mount in item["Mounts"])
        assert host["NetworkMode"] != "host" and host["PidMode"] == "" and not host["Devices"]
        if carrier:  # never started; files are copied through it
            assert item["State"]["Status"] == "created"
        else:
            assert host["ReadonlyRootfs"] and "no-new-privileges:true" in host["SecurityOpt"]
            assert item["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_no_secret_lies_where_it_may_be_read(prod: Prod) -> None:
    secrets = prod.secrets()
    assert len(secrets) >= 6
    processes = prod.console("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    logs = "".join(prod.console("docker", "logs", item) for item in prod.docker("ps", "--quiet"))
    journal = prod.console("sh", "-c", "cat /var/log/*.log; journalctl --no-pager --quiet")
    history = "".join("\n".join(prod.docker("history", "--no-trunc", image)) for image in prod.images())
    images = prod.console("docker", "inspect", *prod.images())
    seen = {"inspect": json.dumps(prod.inspect()), "processes": processes, "logs": logs, "journal": journal}
    for place, text in (seen | {"images": images, "history": history}).items():
        assert len(text) > 100, f"nothing was looked at in {place}"
        assert [name for name, secret in secrets.items() if secret in text] == [], place
    lines = "\n".join(secrets.values())
    state = prod.project.folder / ".fds" / "state"
    assert list(state.rglob(f"{STACK}.json")), "there is no state to look into"
    grep = ["grep", "-rlF", "-f", "-", str(state)]
    assert subprocess.run(grep, input=lines, capture_output=True, text=True).stdout == "", "state"
    controls = {"It only reads the published DuckDB file", "name: ai_agent_data_stack"}  # one of each image
    assert _in_layers(prod, "\n".join([lines, *controls])) == controls, "image layers"


def _in_layers(prod: Prod, lines: str) -> set[str]:
    """Which of `lines` stand in a file of any layer of our own images."""
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


def test_drift_is_found(prod: Prod) -> None:
    labels = dict(prod.server.labels or {})
    prod.server.update(labels={**labels, "managed-by": "someone"})
    drift = prod.project.fds("drift", "--json")
    assert drift.returncode == 1 and json.loads(drift.stdout)["drifted"] >= 1
    prod.server.update(labels=labels)


def test_an_update_that_is_killed_at_every_step_replaces_each_container_once(prod: Prod, visitor: Visitor) -> None:
    before, images, name = prod.containers(), prod.images(), prod.uis()[0]
    certificate = visitor.serial(name)
    # as no build before, or its layers would be there already; the next deployment goes back
    code = ("stack_runtime/status.py", '"""What', f'"""Changed by test {uuid4()}: what')
    proxy = ("infra/services/traefik.py", '"stsSeconds": 31_536_000', '"stsSeconds": 31_536_001')
    steps = {"image tag", "container destroy service", "container create service"} | build_steps(prod)
    with prod.edited(code, proxy):
        assert killed_until_through(prod, steps) == steps
    _nothing_doubled_or_orphaned(prod)
    after = prod.containers()
    assert {name for name in after if after[name] != before[name]} == {"files", "pipeline", "streamlit", "traefik"}
    assert not set(images) & set(prod.images()), "an image that nothing uses any more is still there"
    assert prod.health() == dict.fromkeys(LEAN, "healthy")
    assert "31536001" in str(visitor.get(name).headers["Strict-Transport-Security"]), "the old proxy is still there"
    assert visitor.serial(name) == certificate, "the new proxy ordered a certificate that the old one had"


def test_a_failed_update_leaves_the_old_container_running(prod: Prod) -> None:
    before = prod.containers()["streamlit"]
    impatient = (
        "infra/component/containers.py",
        "wait_timeout=WAIT_S",
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
    _nothing_doubled_or_orphaned(prod)
    assert prod.health() == dict.fromkeys(LEAN, "healthy")
