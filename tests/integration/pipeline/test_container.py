"""Start a container of the runner image, hardened as in the stack, and run the pipeline in it as `fds run` does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import docker
import duckdb as duckdb_module
import pytest
from docker.models.containers import Container

from agents.changes.jobs import DbtTest, Job
from agents.tools import dbt, duckdb, meltano
from agents.tools.airflow import Airflow
from agents.tools.duckdb import query
from agents.tools.job_runner import run_job as agents_run
from agents.tools.pipeline_target import ContainerTarget, local_target, open_target
from infra import docker_access
from infra.services.pipeline import SERVICE
from stack_runtime.docker_exec import execute
from stack_runtime.errors import StackError, UnreachableError, UsageError
from stack_runtime.paths import PROJECT
from stack_runtime.pipeline.development import fetch_published
from stack_runtime.pipeline.paths import ROOT
from stack_runtime.pipeline.remote_run import run_in_container
from tests.integration.pipeline.conftest import rows, write_csv
from tests.kit import layers

STACK = f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=600)
    yield client
    client.close()


@pytest.fixture(scope="module")
def container(client: docker.DockerClient) -> Iterator[Container]:
    """Start the runner as its service declares it, but without PostgreSQL and the other services."""
    build = SERVICE.image.dockerfile  # type: ignore[union-attr]
    image, _ = client.images.build(path=str(ROOT), dockerfile=build, tag=f"{layers.KEPT}/pipeline:layers", rm=True)
    names = {volume.name: f"{STACK}-{volume.name}" for volume in SERVICE.volumes}
    found = client.containers.run(
        image.id, detach=True, user=SERVICE.user, read_only=True, cap_drop=["ALL"], network_mode="none",
        security_opt=["no-new-privileges:true"], tmpfs=dict.fromkeys(SERVICE.tmpfs, "rw,nosuid,nodev,size=256m"),
        mem_limit=f"{SERVICE.resources.memory_limit_mb}m",
        volumes={names[volume.name]: {"bind": volume.path, "mode": "rw"} for volume in SERVICE.volumes},
        labels={"fds.project": PROJECT, "fds.stack": STACK, "fds.service": SERVICE.name, **SERVICE.labels},
    )  # fmt: skip
    try:
        yield found
    finally:
        found.remove(force=True)
        for name in names.values():
            client.volumes.get(name).remove()


def test_health_check_passes_and_an_idle_runner_uses_under_64_mib_of_memory(container: Container) -> None:
    code, output = container.exec_run(list(SERVICE.health.command))
    assert code == 0, output
    assert container.stats(stream=False)["memory_stats"]["usage"] < 64 * 2**20  # type: ignore[index]


def metrics(container: Container) -> dict[str, float]:
    """Return the metrics of the pipeline by name."""
    file = "/data/metrics/pipeline.prom"
    shown = execute(container, ["stat", "-c", "%a", file]).out
    assert shown == b"644\n"  # the node exporter runs as another user and must read this file
    lines = execute(container, ["cat", file]).out.decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}


def test_file_is_uploaded_to_the_runner_and_the_result_is_returned_and_written_as_metrics(
    container: Container, tmp_path: Path
) -> None:
    said: list[str] = []
    file = write_csv(tmp_path / "never seen.csv", rows(1, 30))
    options = ["--entity", "transactions", "--source", "tap-csv"]
    run, code = run_in_container(docker.from_env(), STACK, file, said.append, options=options)
    assert code == 0, run
    assert metrics(container)["fds_pipeline_last_run_succeeded"] == 1
    assert [stream["table"] for stream in run["streams"]] == ["raw_data.transactions"]
    assert run["rows"] == {"read": 30, "loaded": 30, "quarantined": 0, "replaced": 0}
    assert said[-4:] == ["extract_load", "transform", "test", "publish"]
    left = execute(container, ["find", "/data/landing", "-type", "f"]).out
    assert left == b""
    shown = execute(container, ["stat", "-c", "%a %u", run["published"]]).out
    assert shown == b"644 10001\n"  # the dashboard, which runs as the same user, reads this file
    failed, code = run_in_container(
        docker.from_env(), STACK, write_csv(tmp_path / "bad.csv", rows(1, 9, "much")), said.append
    )
    assert (code, failed["status"], failed["published"]) == (6, "failed", None)
    found = metrics(container)
    assert found["fds_pipeline_last_run_succeeded"] == 0
    assert found["fds_pipeline_published_timestamp_seconds"] <= found["fds_pipeline_last_run_timestamp_seconds"]
    kept = container.logs().decode()  # `fds logs pipeline` shows these lines
    assert kept.count('"run ended"') == 2 and f'"run_id": "{run["run_id"]}"' in kept, kept
    assert f'"run_id": "{failed["run_id"]}"' in kept and '"status": "failed"' in kept
    diff, code = run_in_container(docker.from_env(), STACK, None, said.append, verb="diff")
    assert (code, diff["diff"], diff["published"]) == (0, [], None)
    copy = fetch_published(docker.from_env(), STACK, tmp_path / "copies" / "dev.duckdb")
    with duckdb_module.connect(str(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM marts.fact_transactions").fetchone() == (30,)
        connection.execute("DROP TABLE marts.fact_transactions")
    before = copy.stat().st_mtime_ns
    fetch_published(docker.from_env(), STACK, copy)
    assert copy.stat().st_mtime_ns == before  # nothing new was published, so the changed copy is kept
    empty = tmp_path / "empty.csv"
    empty.touch()
    refused, code = run_in_container(docker.from_env(), STACK, empty, said.append)
    assert code == 6 and str(empty) in refused["error"]  # the error names the user's path, not the path in the runner
    assert container.exec_run(["python", "-m", "stack_runtime.pipeline", "history", "--last", "2", "--json"])[0] == 0


def test_run_that_cannot_start_raises_an_error_with_the_reason(container: Container, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such CSV file"):
        run_in_container(docker.from_env(), STACK, tmp_path / "missing.csv", print)
    with pytest.raises(Exception, match="no CSV file in the landing folder") as caught:
        run_in_container(docker.from_env(), STACK, None, print)
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]
    assert "no CSV file in the landing folder" in container.logs().decode()


def test_log_line_of_a_scheduled_run_is_once_in_the_log_of_the_container(container: Container, tmp_path: Path) -> None:
    """A scheduled run already writes to the container's standard error, so its lines must not be copied there again."""
    program = "import sys; from stack_runtime import logs; logs.configure(); logs.logger('test').info('said once')"
    code, _ = container.exec_run(["sh", "-c", f'exec python -c "{program}" 2>/proc/1/fd/2'])
    assert code == 0 and container.logs().decode().count("said once") == 1


def test_runner_that_is_not_running_is_reported_as_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="pipeline of stack nowhere is not running"):
        run_in_container(docker.from_env(), "nowhere", write_csv(tmp_path / "a.csv", rows(1, 1)), print)


def test_agents_read_from_the_runner_and_run_jobs_on_it(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = ContainerTarget(container)
    run, code = run_in_container(docker.from_env(), STACK, write_csv(tmp_path / "for agents.csv", rows(1, 30)), print)
    assert code == 0, run
    assert query(target, "SELECT count(*) AS n FROM marts.fact_transactions") == [{"n": 30}]
    write = "INSERT INTO marts.fact_transactions SELECT * FROM marts.fact_transactions"
    read = "SELECT * FROM read_text('/run/fds/pipeline_password')"
    for sql in (write, read, "SELECT repeat(repeat('x', 30000000), 30)"):
        with pytest.raises(UsageError):
            query(target, sql)
    monkeypatch.setattr(duckdb, "SECONDS", 1.0)
    with pytest.raises(UsageError, match="longer than 1 s"):
        query(target, "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
    assert {"fact_transactions", "stg_transactions"} <= {model["name"] for model in dbt.models(target)}
    assert dbt.show(target, "fact_transactions", 2)
    assert meltano.state(target) is not None
    with pytest.raises(StackError, match="no CSV file in the landing folder"):
        meltano.discover(target)
    with pytest.raises(UnreachableError, match="no such"):
        target.artefact("no such")

    now = datetime.now(UTC)
    job = Job(id="1", stack=STACK, person="ann", work=DbtTest(), call_id="1", created=now, expires=now)
    data, problem = agents_run(job, lambda: nullcontext(target), Airflow.from_environment)
    assert (data["status"], data["published"], problem) == ("succeeded", None, "")


def test_agents_use_the_runner_of_a_running_stack_or_the_database_of_a_local_run(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FDS_DATABASE", raising=False)
    # Skip the check of the owner, which would fail, because the container is in no Pulumi state.
    monkeypatch.setattr(docker_access, "foreign_on", lambda *_: [])
    for stack, host in ((STACK, "local"), ("nowhere", "local"), ("far", "hetzner")):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(f"config:\n  freelancer-data-stack:host: {host}\n")
    with open_target(tmp_path, STACK) as target:
        assert target == ContainerTarget(container)
    with pytest.raises(StackError, match="is not running"), open_target(tmp_path, "nowhere"):
        pass
    local = tmp_path / ".fds" / "local" / "warehouse.duckdb"
    local.parent.mkdir(parents=True)
    local.touch()
    with open_target(tmp_path, "nowhere") as target:
        assert target == local_target(local)
    with (
        pytest.raises(StackError),
        open_target(tmp_path, "far"),
    ):  # refused: the database of a local run does not have the data of a stack on a server
        pass
    monkeypatch.setenv("FDS_DATABASE", str(tmp_path / "mine.duckdb"))
    with open_target(tmp_path, STACK) as target:
        assert target == local_target(tmp_path / "mine.duckdb")
