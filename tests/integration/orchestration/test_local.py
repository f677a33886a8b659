"""Test the executor `local`, which runs tasks in the scheduler's container.

The project adds DAG files to the DAGs of the package; some of these files are broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from agents.tools.airflow import Airflow
from fds import doctor
from infra import docker_access
from stack_runtime import airflow
from stack_runtime.docker_exec import execute
from stack_runtime.errors import UsageError
from stack_runtime.status import last_run
from tests.integration.orchestration.conftest import (
    Orchestration,
    assert_large_run_stays_within_reservations,
    context_of_project,
    orchestration,
    wait_for,
)
from tests.integration.orchestration.draining import assert_stopped_runner_completes_the_task
from tests.integration.orchestration.published import assert_dag_run_equals_a_run_in_one_process
from tests.kit.browser import chromium, despite_network_changes

pytestmark = pytest.mark.timeout(1500)  # the first test may build the image

MINE = """from airflow.sdk import Asset, dag, task

@dag(schedule=[Asset("marts.mart_daily_cashflow")])
def mine():
    @task
    def follow():
        print("the mart is new")
    follow()

mine()
"""
BROKEN = {
    "broken.py": "from airflow.sdk import dag\nimport no_such_package\n",
    "typo.py": "from airflow.sdk import dag\ndef (\n",
}
TAKEN = {f"my_{name}.py": MINE.replace("mine", name) for name in ("pipeline", "maintenance", "watch")}
EMPTY = "from airflow.sdk import DAG\n\nwith DAG({dag_id!r}, schedule=None) as {name}:\n    pass\n"
DOUBLED = {
    "same_a.py": EMPTY.format(dag_id="same", name="first"),
    "same_b.py": EMPTY.format(dag_id="same", name="second"),
    "origin.py": EMPTY.format(dag_id="shared", name="shared"),
    "importer.py": "from airflow.sdk import DAG\nfrom origin import shared\n",
    # Define two DAGs with the same id, which Airflow treats as equal, because only the code of their task differs.
    "factory.py": """from airflow.sdk import DAG, task

for team in ("a", "b"):
    with DAG("team", schedule=None):
        task(task_id="report")(lambda team=team: print(team))()
""",
    "variables.py": EMPTY.format(dag_id="twice", name="one") + "other = DAG('twice', schedule='@daily')\n",
}
OTHER_CASE = {"other_case.py": EMPTY.format(dag_id="Mine", name="other")}
"""A file with the DAG id `Mine`, which is valid: PostgreSQL, the API and log folders distinguish it from `mine`."""
PARSED_FILES = "test $(find /tmp/dag-files -type l | wc -l) -eq 6"
"""Shell test that the DAG processor recorded six files: one each for the DAG ids `mine` and `Mine`, and two each for
`same` and `shared`."""
FILES = {"mine.py": MINE, **OTHER_CASE, **BROKEN, **TAKEN, **DOUBLED}
IMPORT = """
import json, os, sys, time
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
seen = []
def hook(event, arguments):
    if event in ("socket.connect", "subprocess.Popen", "os.system", "sqlite3.connect"):
        seen.append(event)
    elif event == "open" and isinstance(arguments[0], str) and "/data/" in arguments[0] + "/":
        seen.append(arguments[0])
sys.addaudithook(hook)
began = time.monotonic()
folders = [Path("/app/data_stack/airflow", name) for name in ("standard_dags", "dags")]
bags = [BundleDagBag(folder, bundle_path=folder, bundle_name=folder.name) for folder in folders]
print(json.dumps({"seconds": time.monotonic() - began, "seen": seen, "dags": [sorted(bag.dags) for bag in bags],
                  "broken": [sorted(map(os.path.basename, bag.import_errors)) for bag in bags]}))
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestration]:
    context = context_of_project(tmp_path_factory.mktemp("project"), FILES)
    with orchestration({"schedule": "weekly"}, context) as found:
        processor = found.services["airflow-dag-processor"]
        wait_for(lambda: processor.container.exec_run(["sh", "-c", PARSED_FILES])[0] == 0, 60, processor.logs)
        yield found


def test_dags_are_imported_in_under_two_seconds_without_opening_data_or_connections(local: Orchestration) -> None:
    found = local.call_airflow_python(IMPORT)
    assert found["dags"] == [["maintenance", "pipeline", "watch"], ["Mine", "mine"]]
    assert found["broken"] == [[], sorted([*BROKEN, *TAKEN, *DOUBLED])]
    assert found["seen"] == []
    assert found["seconds"] < 2


def test_dag_run_has_the_same_result_as_fds_run_and_starts_the_dag_scheduled_on_a_mart(local: Orchestration) -> None:
    assert_dag_run_equals_a_run_in_one_process(local, "first")

    def followed() -> bool:
        return [run["state"] for run in local.airflow.runs("mine")] == ["success"]

    wait_for(followed, 120, lambda: str(local.airflow.runs("mine")))


def test_late_pipeline_is_reported_by_one_check_of_the_dag_watch(local: Orchestration) -> None:
    postgres = local.services["postgres"].container
    older = "UPDATE ops.runs SET finished_at = finished_at - interval '8 days'"
    assert execute(postgres, ["psql", "-U", "postgres", "-d", "marts", "-qc", older]).code == 0
    server = local.services["airflow-api-server"].container

    def log_of_check(run_id: str, hour: int) -> str:
        at = f"2026-01-01T{hour:02}:00:00Z"  # Airflow finds the check before a check by these times
        airflow.request(server, "POST", "/dags/watch/dagRuns", {"dag_run_id": run_id, "logical_date": at})
        ended = {"dag_run_id": run_id, "state": "success"}
        wait_for(
            lambda: ended in [{key: run[key] for key in ended} for run in local.airflow.runs("watch")],
            120,
            lambda: str(local.airflow.runs("watch")),
        )
        return "".join(local.airflow.logs("watch", run_id)["late"])

    assert "DAG pipeline is late: it has published nothing since" in log_of_check("one", 1)
    assert "is late" not in log_of_check("two", 2)


@pytest.mark.slow
def test_stopped_scheduler_completes_its_task_and_the_dag_run_succeeds_after_a_restart(local: Orchestration) -> None:
    local.publish_sample()
    assert_stopped_runner_completes_the_task(local)


@pytest.mark.slow
def test_run_of_200_000_rows_stays_within_the_reserved_memory(local: Orchestration) -> None:
    assert_large_run_stays_within_reservations(local)


def test_agents_can_read_dag_runs_and_logs_and_import_errors_but_not_connections(
    local: Orchestration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = local.runner.context.settings.stack
    client = local.runner.client
    # Skip the check of the owner, which would fail, because these containers belong to no deployed stack.
    monkeypatch.setattr(docker_access, "daemon", lambda *_: nullcontext(client))
    agents = Airflow.of_stack(tmp_path, stack)
    assert {run["dag_id"] for run in agents.runs()} >= {"pipeline", "mine"}
    assert any(
        "the mart is new" in line for line in agents.logs("mine", agents.runs("mine")[0]["dag_run_id"])["follow"]
    )
    run = last_run(client, stack)
    assert run and run["status"] == "succeeded"
    container = airflow.api_server(client, stack)
    assert "success" in {run["state"] for run in airflow.latest_runs(container)}
    errors = {Path(file).name: line for file, line in airflow.import_errors(container)}
    assert errors["broken.py"] == "ModuleNotFoundError: No module named 'no_such_package'"
    assert errors.keys() - DOUBLED.keys() == {*BROKEN, *TAKEN} and "SyntaxError" in errors["typo.py"]
    status, _ = airflow.request(container, "GET", "/connections")
    assert status == 403  # the agents' user may run DAGs, but not see connections


@pytest.fixture
def doctor_error(local: Orchestration, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the error that `fds doctor` reports about the DAG files of this project."""
    monkeypatch.setattr(docker_access, "daemon", lambda *_: nullcontext(local.runner.client))
    with pytest.raises(UsageError) as found:
        doctor._broken_dags(local.runner.context.settings.stack)
    return str(found.value)


def test_dags_of_the_package_are_kept_and_doctor_names_the_files_that_repeat_their_ids(
    local: Orchestration, doctor_error: str
) -> None:
    for file, dag_id in zip(TAKEN, ("pipeline", "maintenance", "watch"), strict=True):
        assert f"{file}: AirflowClusterPolicyViolation: the DAG id {dag_id} belongs to a DAG" in doctor_error
        _, dag = airflow.request(local.services["airflow-api-server"].container, "GET", f"/dags/{dag_id}")
        assert (dag["bundle_name"], dag["relative_fileloc"]) == ("package", f"{dag_id}.py")


def test_doctor_names_every_file_that_repeats_a_dag_id(doctor_error: str) -> None:
    for dag_id, files in (("same", "same_a.py and same_b.py"), ("shared", "importer.py and origin.py")):
        assert f"the DAG id {dag_id} is defined 2 times, in {files}; define it once" in doctor_error
    for dag_id, file in (("team", "factory.py"), ("twice", "variables.py")):
        assert f"the DAG id {dag_id} is defined 2 times, in {file}; define it once" in doctor_error
    assert "dag id mine" not in doctor_error.lower()


def test_airflow_ui_shows_the_dag_run_after_a_login(local: Orchestration, tmp_path: Path) -> None:
    context = local.runner.context
    password, port = context.secrets["ui_password"], context.settings.https_port
    url = f"airflow.localhost:{port}"
    with chromium(tmp_path / "profile") as browser:
        wait = WebDriverWait(browser, 60)

        def look() -> None:
            browser.delete_all_cookies()
            # Open the login page itself: other pages first get status 401 from Airflow, and Chromium then forgets the
            # password of the proxy, which a person would have to enter again.
            browser.get(f"https://admin:{password}@{url}/auth/login")
            wait.until(lambda page: page.find_elements(By.NAME, "username"))[0].send_keys("admin")
            browser.find_element(By.NAME, "password").send_keys(password, Keys.ENTER)
            wait.until(lambda page: "/login" not in page.current_url)
            browser.get(f"https://{url}/dags/pipeline/runs/first")
            wait.until(lambda page: "load_tap-csv" in page.page_source and "publish" in page.page_source)

        messages = despite_network_changes(browser, look)
        browser.save_screenshot(str(tmp_path / "airflow.png"))
    assert not [message for message in messages if "Content Security Policy" in message]


def test_failed_load_fails_the_dag_run_and_releases_the_pipeline(local: Orchestration) -> None:
    # Leave only a file that the tap refuses, so that the load and with it the DAG run fail.
    local.runner.container.exec_run(["sh", "-c", "rm /data/landing/*.csv"])
    local.land("bad.csv", b"no,such,columns\n1,2,3\n")
    local.airflow.trigger("pipeline", "bad")
    assert local.ended("bad") == "failed"
    _, (run,) = local.pipeline("history", "--last", "1", "--json")
    assert run["status"] == "failed" and run["error"]
    code, _ = local.pipeline("test")
    assert code == 0  # it would be refused if a run still held the pipeline


@pytest.mark.slow
def test_all_files_that_define_the_same_dag_id_are_refused(local: Orchestration) -> None:
    server = local.services["airflow-api-server"].container

    def refused() -> set[str]:
        return {Path(file).name for file, _ in airflow.import_errors(server)} & DOUBLED.keys()

    wait_for(lambda: refused() == DOUBLED.keys(), 420, lambda: str(refused()))  # each file is parsed every five minutes
    for dag_id in ("same", "shared", "team", "twice"):
        status, dag = airflow.request(server, "GET", f"/dags/{dag_id}")
        assert status == 404 or dag["has_import_errors"] or dag["is_stale"], dag
