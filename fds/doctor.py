"""`fds doctor`: find problems, and name the command that solves each problem."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from fds.output import AsJson, Stack, answer, say


def command(stack: Stack = "dev", as_json: AsJson = False) -> None:
    """Check settings, engine, Docker, machine, services and DAGs in turn; exit with the first failed check's code."""
    from stack_runtime.errors import StackError

    rows: list[dict[str, Any]] = []
    code = 0
    for name, check in _checks(stack).items():
        try:
            rows.append({"check": name, "ok": True, "detail": check()})
        except StackError as error:
            error.name_stack(stack)
            if error.next_command.startswith("fds doctor"):
                error.next_command = ""  # do not advise `fds doctor`, which is running now
            rows.append({"check": name, "ok": False, "detail": str(error)})
            code = code or error.exit_code
    if as_json:
        answer({"stack": stack, "checks": rows})
    else:
        for row in rows:
            say(f"{'ok  ' if row['ok'] else 'FAIL'} {row['check']}: {row['detail']}")
    if code:
        raise SystemExit(code)


def _checks(stack: str) -> dict[str, Callable[[], str]]:
    from infra import image_lock
    from infra.docker_access import daemon
    from infra.engine.environment import environment
    from infra.hosts import host_of
    from infra.stack_file import read
    from stack_runtime.docker_host import connect
    from stack_runtime.paths import keys_folder, project_dir

    def settings() -> str:
        found = read(project_dir(), stack)
        image_lock.read(project_dir())
        return f"Pulumi.{stack}.yaml is valid, host {found.host}"

    def machine() -> str:
        found = read(project_dir(), stack)
        host = host_of(found)
        # `daemon` raises an error if another stack of this name owns the containers. Without this check, `preflight`
        # would only report that their ports are in use.
        with nullcontext() if host.makes_machine else daemon(project_dir(), stack):
            return host.preflight(found, project_dir())

    def docker() -> str:
        found = read(project_dir(), stack)
        # Connect without `daemon`, which would also check the owner: the check `services` does this.
        with host_of(found).docker_endpoint(found, keys_folder(project_dir(), stack)) as where:
            return f"version {connect(where).version()['Version']}"

    return {
        "settings": settings,
        "engine": lambda: f"state in {environment(project_dir(), stack, make=False)['PULUMI_BACKEND_URL']}",
        "docker": docker,
        "machine": machine,
        "services": lambda: _unhealthy(stack),
        "dags": lambda: _broken_dags(stack),
    }


def _unhealthy(stack: str) -> str:
    from infra.docker_access import daemon
    from infra.services import selected
    from infra.stack_file import read
    from stack_runtime.docker_host import containers
    from stack_runtime.errors import UnreachableError
    from stack_runtime.paths import project_dir
    from stack_runtime.status import missing, unhealthy

    wanted = [service.name for service in selected(read(project_dir(), stack))]
    with daemon(project_dir(), stack) as client:
        there, sick = containers(client, stack), unhealthy(client, stack)
    if gone := missing(there, wanted):
        raise UnreachableError(f"missing: {', '.join(gone)}", next_command=f"fds up --stack {stack}")
    if sick:
        raise UnreachableError(f"not healthy: {', '.join(sick)}", next_command=f"fds logs {sick[0]} --stack {stack}")
    return f"{len(there)} healthy" if there else f"none runs yet, fds up --stack {stack} starts them"


def _broken_dags(stack: str) -> str:
    from infra.docker_access import daemon
    from stack_runtime import airflow
    from stack_runtime.docker_host import running
    from stack_runtime.errors import UsageError
    from stack_runtime.paths import project_dir

    with daemon(project_dir(), stack) as client:
        if not airflow.is_deployed(client, stack):
            return "no Airflow is deployed"
        server = airflow.api_server(client, stack)
        parsed = airflow.are_parsed(server, running(client, stack, airflow.DAG_PROCESSOR))
        broken = airflow.import_errors(server)
    if broken:
        named = "; ".join(f"{file}: {line}" for file, line in broken[:20])
        raise UsageError(
            f"DAG files that cannot be imported ({len(broken)}): {named}",
            where="data_stack/airflow/dags",
            next_command="correct them, then fds up",
        )
    if not parsed:
        return "Airflow has not parsed all DAG files yet, so import errors are unknown; fds doctor again in a minute"
    return "all can be imported"
