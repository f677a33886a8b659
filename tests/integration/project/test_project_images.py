"""Build two images of a user's project: they contain the content of the project, and no models of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_runtime.docker_host import local_docker
from tests.integration.project.conftest import UserProject, init
from tests.kit import wheel
from tests.kit.container_output import output_of

pytestmark = pytest.mark.slow

TAG = "t-user-project"


@pytest.fixture(scope="module")
def project(installed: wheel.Installed, tmp_path_factory: pytest.TempPathFactory) -> UserProject:
    found = init(installed, tmp_path_factory.mktemp("with images"), "own")
    meltano = found.content / "meltano" / "meltano.yml"
    declared = "entities: [{entity: hours, keys: [id], columns: {hours: decimal}}]"
    text = meltano.read_text()
    assert "entities: []" in text
    meltano.write_text(text.replace("entities: []", declared))
    sources = "sources: [{name: raw_data, schema: raw_data, tables: [{name: hours}]}]"
    found.write("dbt/models/sources.yml", sources)
    found.write("dbt/models/marts/total.sql", "select sum(hours) as hours from {{ source('raw_data', 'hours') }}")
    found.write("dashboards/Hours.py", "import streamlit as st\n\nst.title('Hours per project')\n")
    return found


@pytest.fixture(scope="module")
def built_images(project: UserProject) -> Iterator[dict[str, str]]:
    """Build the images of two services, and yield the names of the images by service."""
    context = project.python("from infra.build_context import context_dir; print(context_dir())").strip()
    client = local_docker()
    names = {service: f"{TAG}/{service}:1" for service in ("pipeline", "streamlit")}
    for service, name in names.items():
        client.images.build(path=context, dockerfile=f"data_stack/images/{service}/Dockerfile", tag=name, rm=True)
    yield names
    for name in names.values():
        client.images.remove(name, force=True)


def _run(image: str, script: str) -> str:
    return output_of(local_docker(), image, ["sh", "-c", script], network_disabled=True)


def test_image_of_the_runner_loads_a_file_with_the_sources_and_models_of_the_project(
    built_images: dict[str, str],
) -> None:
    script = (
        "printf 'id,hours\\n1,2.5\\n2,4\\n' > /tmp/hours.csv && python -m stack_runtime.pipeline ready"
        " && python -m stack_runtime.pipeline run --csv /tmp/hours.csv --json"
        " && python -c \"import duckdb; print(duckdb.connect('/data/published/warehouse.duckdb', read_only=True)"
        ".execute('select * from marts.total').fetchall())\""
    )
    assert "6.5" in _run(built_images["pipeline"], script).splitlines()[-1]


def test_images_contain_the_dashboard_page_and_only_the_models_of_the_project(
    built_images: dict[str, str], project: UserProject
) -> None:
    models = _run(built_images["pipeline"], "cd /app/data_stack/dbt && find models -type f").split()
    assert sorted(models) == ["models/marts/total.sql", "models/sources.yml"]
    page = _run(built_images["streamlit"], "cat /app/data_stack/dashboards/Hours.py")
    assert page == Path(project.content / "dashboards" / "Hours.py").read_text()
    own = "python -c 'from stack_runtime.content import content_dir; print(content_dir())'"
    assert _run(built_images["streamlit"], own).strip() == "/app/data_stack"
