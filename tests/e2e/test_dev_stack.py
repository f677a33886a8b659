"""Test the dev stack as a user runs it: deploy it, run the pipeline, open the dashboard, repair and remove it."""

from __future__ import annotations

import csv
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from secrets import token_hex

import docker
import pytest
from docker.models.containers import Container

from infra import image_lock
from infra.build_context import reference
from infra.component.networks import INTERNET, networks_of
from infra.image_digests import missing
from infra.services import selected
from infra.services.traefik import HTTPS
from infra.stack_file import read
from stack_runtime.docker_exec import execute
from stack_runtime.docker_host import remove_unused_images
from tests.e2e.test_dev_stack_errors import error_line
from tests.kit import layers
from tests.kit.ports import free_ports
from tests.kit.project import SAMPLE, Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(
        tmp_path_factory.mktemp("dev"),
        "e2e-dev",
        {"host": "local", "profiles": ["agents", "queue"], **free_ports()},
    )
    made.clear()
    yield made
    made.clear()


@pytest.fixture(scope="module")
def up(project: Project) -> Project:
    """Deploy the stack and return its project."""
    result = project.fds("up", timeout=1800)
    assert result.returncode == 0, result.stderr
    layers.keep(docker.from_env())
    return project


def test_every_service_is_healthy(up: Project) -> None:
    rows = up.json("status")["services"]
    assert {row["service"] for row in rows} >= {"postgres", "redis", "traefik", "pipeline", "streamlit"}
    assert {row["health"] for row in rows} == {"healthy"}
    assert all(0 < row["memory_mb"] <= row["memory_limit_mb"] for row in rows)


def test_second_up_changes_nothing(up: Project) -> None:
    assert up.json("up")["changed"] == 0


def test_up_names_every_image_that_is_not_pinned_by_digest(up: Project) -> None:
    """Images from a registry are pinned by digest. Images that were built locally as replacements have no digest."""
    unlocked = missing(up.folder, read(up.folder, up.stack))
    said = [line for line in up.fds("up").stderr.splitlines() if "not pinned by digest" in line]
    assert len(said) == bool(unlocked)
    assert all(name in said[0] for name in unlocked)


def test_pulumi_up_changes_nothing_after_fds_up(up: Project) -> None:
    engine = up.engine("up", "--yes", "--skip-preview", "--json")
    assert engine.returncode == 0, engine.stdout + engine.stderr
    events = [json.loads(line) for line in engine.stdout.splitlines() if line.startswith("{")]
    changes = next(event["summaryEvent"]["resourceChanges"] for event in events if "summaryEvent" in event)
    assert set(changes) == {"same"}, changes


def test_changed_secret_of_redis_replaces_only_redis_and_the_file_uploader(up: Project) -> None:
    before = _ids(up)
    assert up.engine("config", "set", "--path", "secrets.redis_password", token_hex(16), "--secret").returncode == 0
    assert up.json("preview")["changes"]["replace"] == 2
    stderr = up.fds("preview").stderr
    assert "would replace Container e2e-dev-redis" in stderr and "replaced" not in stderr, stderr
    assert up.json("up")["changed"] == 2
    after = _ids(up)
    assert {service for service in before if before[service] != after[service]} == {"files", "redis"}
    assert up.json("up")["changed"] == 0


def _ids(project: Project) -> dict[str, str]:
    return {item.labels["fds.service"]: str(item.id) for item in _ours(docker.from_env(), project.stack)}


def test_rows_read_from_the_sample_are_loaded_quarantined_or_replaced(up: Project, tmp_path: Path) -> None:
    run = up.json("run", "--csv", str(SAMPLE), timeout=600)
    assert run["status"] == "succeeded" and run["published"]
    with SAMPLE.open(newline="", encoding="utf-8") as stream:
        records = sum(1 for row in csv.reader(stream) if row) - 1
    rows = run["rows"]
    assert rows["read"] == records
    assert rows["read"] == rows["loaded"] + rows["quarantined"] + rows["replaced"]
    assert up.json("status")["last_run"]["run_id"] == run["run_id"]


def test_status_prints_the_services_and_the_last_run(up: Project) -> None:
    text = up.fds("status").stdout
    for word in ("Service", "URL", "Health", "Memory", "dashboard.localhost", "rows read", "tests passed"):
        assert word in text


def test_memory_measured_by_status_is_in_the_cost_report(up: Project) -> None:
    up.json("status")
    needs = {need["name"]: need for need in up.json("cost")["capacity"]["services"]}
    assert 0 < needs["postgres"]["measured_mb"] < needs["postgres"]["memory_limit_mb"]


def test_dashboard_requires_a_login(up: Project) -> None:
    settings = {key.partition(":")[2]: value for key, value in _config(up).items()}
    port = settings["httpsPort"]
    assert _get(port, None) == 401
    assert _get(port, "admin:wrong") == 401
    password = up.engine("config", "get", "--path", "secrets.ui_password").stdout.strip()
    assert _get(port, f"admin:{password}") == 200


def test_no_secret_in_pulumi_state_container_logs_or_output_of_docker_inspect(up: Project) -> None:
    secrets = json.loads(up.engine("config", "get", "secrets").stdout)
    assert len(secrets) >= 5
    client = docker.from_env()
    seen = [json.dumps(item.attrs) + item.logs().decode(errors="replace") for item in _ours(client, up.stack)]
    state = subprocess.run(["grep", "-rlF", "-f", "-", str(up.folder / ".fds" / "state")],
                           input="\n".join(secrets.values()), capture_output=True, text=True)  # fmt: skip
    assert state.stdout == ""
    for secret in secrets.values():
        assert not any(secret in text for text in seen)


def test_no_secret_in_environment_variables_or_arguments_of_a_process(up: Project) -> None:
    secrets = json.loads(up.engine("config", "get", "secrets").stdout)
    for item in _ours(docker.from_env(), up.stack):
        if item.labels["fds.service"] != "files":
            read = "for each in /proc/[0-9]*; do cat $each/environ $each/cmdline; done 2>/dev/null; true"
            seen = execute(item, ["sh", "-c", read]).out.decode(errors="replace")
            assert "PATH=" in seen
            assert not [name for name, secret in secrets.items() if secret in seen], item.name


def test_containers_are_hardened(up: Project) -> None:
    for item in _ours(docker.from_env(), up.stack):
        host = item.attrs["HostConfig"]
        assert host["Memory"] > 0 and host["NanoCpus"] > 0
        assert host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert not any("docker.sock" in bind for bind in host["Binds"] or [])
        if item.labels["fds.service"] != "files":
            assert host["ReadonlyRootfs"] and "no-new-privileges:true" in host["SecurityOpt"]
            assert item.attrs["Config"]["User"].split(":")[0] not in ("", "0", "root")
            limits = {one["Name"]: (one["Soft"], one["Hard"]) for one in host["Ulimits"]}
            assert 0 < limits["nproc"][0] == limits["nproc"][1] <= 4096


def test_service_reaches_the_internet_and_other_services_only_as_declared(up: Project) -> None:
    client = docker.from_env()
    by_service = {item.labels["fds.service"]: item for item in _ours(client, up.stack)}
    for service in selected(read(up.folder, up.stack)):
        on = by_service[service.name].attrs["NetworkSettings"]["Networks"]
        has_way_out = not all(client.networks.get(name).attrs["Internal"] for name in on)
        assert has_way_out == (INTERNET in networks_of(service)), service.name
    own = by_service["traefik"].attrs["NetworkSettings"]["Networks"]
    outside = next(each["IPAddress"] for name, each in own.items() if name.endswith(INTERNET))
    assert _reaches(by_service["pipeline"], "postgres", 5432) and _reaches(by_service["streamlit"], "agents", 8100)
    assert _reaches(
        by_service["streamlit"], "traefik", HTTPS
    ), "streamlit cannot reach the proxy on their common network"
    for service in ("pipeline", "agents"):
        assert not _reaches(by_service[service], "traefik", HTTPS)
        assert not _reaches(by_service[service], outside, HTTPS)
    for name, found in {"streamlit": True, "postgres": False, "redis": False, "agents": False}.items():
        assert (by_service["traefik"].exec_run(["getent", "hosts", name]).exit_code == 0) == found, name


def _reaches(container: Container, host: str, port: int) -> bool:
    connect = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
    return bool(container.exec_run(["python", "-c", connect]).exit_code == 0)


def test_fastest_run_of_each_health_check_takes_under_two_seconds(up: Project) -> None:
    for item in _ours(docker.from_env(), up.stack):
        checks = item.attrs["State"].get("Health", {"Log": []})["Log"]
        took = [datetime.fromisoformat(one["End"]) - datetime.fromisoformat(one["Start"]) for one in checks]
        assert not took or min(took).total_seconds() < 2, f"health check of {item.name} took {took}"


def test_stopped_or_removed_service_is_reported_and_runs_again_after_up(up: Project) -> None:
    by_service = {item.labels["fds.service"]: item for item in _ours(docker.from_env(), up.stack)}
    by_service["redis"].stop(timeout=5)
    by_service["streamlit"].remove(force=True)
    health = {row["service"]: row["health"] for row in up.json("status")["services"]}
    assert (health["redis"], health["streamlit"]) == ("exited", "missing")
    preview = up.fds("preview")
    assert "would create Container e2e-dev-streamlit" in preview.stderr, preview.stderr
    assert f"would start {by_service['redis'].name}" in preview.stderr
    drift = up.fds("drift", "--json")
    assert drift.returncode == 1 and json.loads(drift.stdout)["drifted"] >= 1
    doctor = up.fds("doctor")
    assert doctor.returncode == 5 and "missing: streamlit" in doctor.stderr
    done = up.fds("up")
    assert done.returncode == 0 and f"started {by_service['redis'].name}" in done.stderr, done.stderr
    assert {row["health"] for row in up.json("status")["services"]} == {"healthy"}


def test_drift_and_preview_fail_if_docker_is_not_running(up: Project) -> None:
    for verb in ("drift", "preview"):
        assert "Docker is not running" in error_line(up.fds(verb, DOCKER_HOST="unix:///nonexistent.sock"), 5)


def test_doctor_in_another_project_reports_that_another_stack_has_the_same_name(up: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path, up.stack, up.settings)
    doctor = clone.fds("doctor")
    assert doctor.returncode == 3 and f"another stack {up.stack}, made by" in doctor.stderr, doctor.stderr
    assert up.fds("doctor").returncode == 0


def test_down_removes_only_resources_of_the_stack_and_keeps_its_data_without_the_option_volumes(up: Project) -> None:
    client = docker.from_env()
    volume = client.volumes.create("bystander-of-e2e-dev")
    network = client.networks.create("bystander-of-e2e-dev")
    services, lock = selected(read(up.folder, up.stack)), image_lock.read(up.folder)
    images = {service.name: reference(up.stack, service.image, lock) for service in services}
    pipeline = client.images.get(images["pipeline"])
    bystander = client.containers.create(images["pipeline"], labels={"fds.stack": "another"})
    try:
        down = up.fds("down")
        assert down.returncode == 0 and "removed Container" in down.stderr, down.stderr
        assert "postgres-volume" not in down.stderr, "a kept volume must not be reported as removed"
        assert f"{up.stack}: {down.stderr.count('  removed ')} resources and 0 data volumes removed" in down.stderr
        assert _ours(client, up.stack) == []
        label = {"label": f"fds.stack={up.stack}"}
        assert client.networks.list(filters=label) == []
        assert client.volumes.list(filters=label), "down without --volumes must keep the data"
        assert up.fds("down", "--volumes").returncode == 0
        assert client.volumes.list(filters=label) == []
        assert client.volumes.get(volume.name) and client.networks.get(network.id)
        assert client.containers.get(bystander.id) and client.images.get(str(pipeline.id))
        left = {tag for image in client.images.list() for tag in image.tags}
        assert images["streamlit"] not in left, "the stack's image name must be removed"
    finally:
        bystander.remove()
        remove_unused_images(client, [images["pipeline"]])
        volume.remove()
        network.remove()


def _ours(client: docker.DockerClient, stack: str) -> list[docker.models.containers.Container]:
    return list(client.containers.list(all=True, filters={"label": f"fds.stack={stack}"}))


def _config(project: Project) -> dict[str, object]:
    import yaml

    return dict(yaml.safe_load(project.stack_file.read_text())["config"])


def _get(port: object, login: str | None) -> int:
    """Request the dashboard through the proxy, without checking its certificate; return the HTTP status."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://127.0.0.1:{port}/", headers={"Host": "dashboard.localhost"})
    if login:
        request.add_header("Authorization", "Basic " + b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
