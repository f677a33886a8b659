"""`fds status`: show what runs, its health, and the last pipeline run."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from fds.output import AsJson, Stack, answer, say

if TYPE_CHECKING:
    from docker import DockerClient

GB = 10**9


def command(stack: Stack = "dev", as_json: AsJson = False) -> None:
    """Show every service with its address, health and memory, and the last pipeline run."""
    from infra.cost.planning_inputs import today
    from infra.cost.sources import measured
    from infra.docker_access import daemon
    from infra.services import alertmanager, selected
    from infra.services._receivers import receivers
    from infra.stack_file import read
    from stack_runtime import airflow
    from stack_runtime.paths import project_dir
    from stack_runtime.status import last_run, services, usage

    project = project_dir()
    settings = read(project, stack)
    wanted = [service.name for service in selected(settings)]
    with daemon(project, stack) as client:
        rows = services(client, stack, wanted)
        report: dict[str, Any] = {"stack": stack, "services": rows, "last_run": last_run(client, stack)}
        report["usage"] = usage(client, stack)
        if airflow.is_deployed(client, stack):
            report["dag_runs"] = _dag_runs(client, stack)
    if alertmanager.SERVICE.name in wanted:
        report["alert_receivers"] = receivers(settings)
    try:
        measured.save(project, stack, rows, report["usage"], today())
    except OSError as error:
        say(f"fds cost will not show the measured memory, because it cannot be saved: {error.strerror}")
    if as_json:
        answer(report)
    else:
        _show(report, today())


def _dag_runs(client: DockerClient, stack: str) -> list[dict[str, Any]]:
    """Return the last DAG runs; if Airflow does not answer, print a message and return an empty list."""
    from stack_runtime import airflow
    from stack_runtime.errors import UnreachableError

    try:
        return airflow.latest_runs(airflow.api_server(client, stack))
    except UnreachableError as error:
        say(str(error))
        return []


def _show(report: dict[str, Any], day: date) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not report["services"]:
        console.print(f"Nothing of stack {report['stack']} runs here; fds up --stack {report['stack']} starts it.")
        return
    table = Table(title=f"Stack {report['stack']}", title_justify="left")
    for heading in ("Service", "URL", "Health"):
        table.add_column(heading, overflow="fold")
    table.add_column("Memory MiB", justify="right")
    for row in report["services"]:
        colour = "green" if row["health"] == "healthy" else "red"
        memory = f"{row['memory_mb']:.0f} of {row['memory_limit_mb']:.0f}" if row["memory_mb"] is not None else "-"
        table.add_row(row["service"], row["url"], f"[{colour}]{row['health']}[/]", memory)
    console.print(table)
    _show_run(console, report["last_run"])
    for resource in report["usage"]:
        console.print(_usage_line(resource, day))
    for run in report.get("dag_runs", []):
        when = str(run["start_date"] or "not started")[:16]
        console.print(f"DAG run {run['dag_id']} {run['dag_run_id']}: {run['state']}, {when}", markup=False)
    if (receivers := report.get("alert_receivers")) is not None:
        names = ", ".join(receivers) or "nobody; docs/operations.md shows how to set a receiver"
        console.print(f"Alerts go to: {names}.")


def _usage_line(measured: dict[str, Any], day: date) -> str:
    """Return how full a disk or the memory is, and when it will be full if it keeps growing at the measured rate."""
    from infra.cost.sources.measured import MOST_DAYS
    from stack_runtime.pipeline.usage import NAMES, SHORTEST

    resource = measured["resource"]
    used, size = measured["used_bytes"] / GB, measured["size_bytes"] / GB
    text = f"{NAMES[resource].capitalize()}: {used:.1f} of {size:.1f} GB used"
    growth, days = measured["bytes_a_day"], measured["days_until_full"]
    if growth is None:
        return f"{text}; its growth is known after {SHORTEST[resource] // timedelta(hours=1)} hours with runs."
    if days is None:
        return f"{text}; it does not grow steadily."
    if days > MOST_DAYS:
        return f"{text}; it grows by {growth / GB:.2f} GB a day and is not full within {MOST_DAYS // 365} years."
    return f"{text}; it grows by {growth / GB:.2f} GB a day and is full in {days:.0f} days ({day + timedelta(days)})."


def _show_run(console: Any, run: dict[str, Any] | None) -> None:
    if run is None:
        console.print("No pipeline run yet; fds run --csv FILE starts the first.")
        return
    rows, checks = run["rows"], run["checks"]
    passed = sum(check["status"] == "pass" for check in checks)
    console.print(
        f"Last run {run['run_id']}: {run['status']}; rows read {rows['read']}, loaded {rows['loaded']}, "
        f"quarantined {rows['quarantined']}, replaced {rows.get('replaced', 0)}; tests passed {passed} of {len(checks)}"
    )
