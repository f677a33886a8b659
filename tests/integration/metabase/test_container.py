"""Test the start script and the health check of Metabase's container, in another image that has the tools they need.

Metabase's own image does not run here, because no test of this repository downloads it.
"""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from fds_offline import registry
from infra.component import generated_secrets
from infra.services import Context, selected
from infra.services.metabase import SERVICE
from infra.settings import Settings
from stack_runtime.docker_host import local_docker
from tests.kit.container_output import output_of
from tests.kit.metabase.server import metabase
from tests.kit.metabase.state import State

SETTINGS = Settings.of("dev", {"profiles": ["bi"]})


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = local_docker()
    yield found
    found.close()


def test_start_script_passes_the_encryption_key_and_its_arguments_to_the_process_it_starts(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    folder.parent.chmod(0o755)
    folder.chmod(0o755)
    secrets = {name: generated_secrets.value(name) for name in generated_secrets.names(SETTINGS)}
    context = Context(SETTINGS, secrets, selected(SETTINGS))
    for file in SERVICE.files:
        (folder / file.name).write_text(file.content(context))
    shown = 'echo "$MB_ENCRYPTION_SECRET_KEY $1 $$"; cat "$MB_DB_PASS_FILE"'
    output = output_of(
        client,
        "traefik:v3.7",
        ["sh", "-c", shown, "sh", "two words"],
        entrypoint=list(SERVICE.entrypoint),
        environment=dict(SERVICE.environment(SETTINGS)),
        user=SERVICE.user,
        volumes={str(folder): {"bind": "/run/fds", "mode": "ro"}},
        read_only=True,
        cap_drop=["ALL"],
    )
    key, password = secrets["metabase_encryption_key"], secrets["metabase_password"]
    assert output == f"{key} two words 1\n{password}", "the process must have id 1 in the container"


def test_health_check_passes_only_if_metabase_has_started(client: docker.DockerClient) -> None:
    gateway = registry.bridge(client)
    with metabase(State(), gateway, 3000) as stand_in:
        container = client.containers.run("traefik:v3.7", ["60"], entrypoint=["sleep"], detach=True)
        try:

            def check() -> int:
                command = list(SERVICE.health.command)
                return int(container.exec_run(command, environment={"HOSTNAME": gateway}).exit_code)

            assert check() == 0
            stand_in.starting = True
            assert check() != 0
        finally:
            container.remove(force=True)
