"""Test the images that the project builds: their content, their base images, and which changes give them a new tag."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra import build_context
from infra.services import Build, catalogue
from tests.kit.project import ROOT

RECIPE = """FROM python:3.11-slim
COPY pyproject.toml uv.lock ./
COPY one/a.txt \\
     two ./
COPY --chown=1:1 three /three
COPY --from=other /x /y
RUN true
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one/a.txt", "one/b.txt", "two/c.txt", "three/d.txt", "four/e.txt", "pyproject.toml", "uv.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# nothing\n**/*.pyc\n")
    (tmp_path / "Dockerfile").write_text(RECIPE)
    monkeypatch.setattr(build_context, "source_tree", lambda: tmp_path)
    monkeypatch.setattr(build_context, "content_dir", lambda: tmp_path / "data_stack")
    return tmp_path


@pytest.mark.parametrize("name", ["one/a.txt", "two/c.txt", "three/d.txt", "uv.lock", "Dockerfile"])
def test_changed_dockerfile_or_copied_file_changes_the_tag(tree: Path, name: str) -> None:
    before = build_context.content_digest(Build("Dockerfile"), {})
    (tree / name).write_text(RECIPE + "# changed")
    assert build_context.content_digest(Build("Dockerfile"), {}) != before


@pytest.mark.parametrize("name", ["one/b.txt", "four/e.txt", "two/x.pyc"])
def test_changed_file_outside_the_image_does_not_change_the_tag(tree: Path, name: str) -> None:
    before = build_context.content_digest(Build("Dockerfile"), {})
    (tree / name).write_text("changed")
    assert build_context.content_digest(Build("Dockerfile"), {}) == before


def test_base_images_do_not_include_build_stages(tree: Path) -> None:
    head = "# syntax\nARG ONE=one:1\nARG TWO=two:2\n"
    (tree / "Dockerfile").write_text(head + "FROM $ONE AS first\nFROM $TWO\nARG X=y\nFROM first AS last\n")
    assert build_context.base_images(Build("Dockerfile")) == {"ONE": "one:1", "TWO": "two:2"}


def test_another_digest_of_the_base_image_changes_the_tag(tree: Path) -> None:
    (tree / "Dockerfile").write_text("ARG BASE=python:3.11-slim\nFROM $BASE\n")
    locks = [{}, {"python:3.11-slim": "sha256:1"}, {"python:3.11-slim": "sha256:2"}, {"redis:7": "sha256:1"}]
    tags = [build_context.content_digest(Build("Dockerfile"), lock) for lock in locks]
    assert len({*tags}) == 3 and tags[0] == tags[3], "the image does not start from redis:7"


def test_content_of_the_users_project_replaces_the_demo_content_but_no_file_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDS_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "data_stack" / "airflow" / "dags").mkdir(parents=True)
    (tmp_path / "data_stack" / "airflow" / "dags" / "mine.py").write_text("mine = True\n")
    (tmp_path / "data_stack" / "airflow" / "steps.py").write_text("raise SystemExit  # the package has its own\n")
    (tmp_path / "Pulumi.yaml").write_text("name: mine\n")
    monkeypatch.chdir(tmp_path)
    content = build_context.context_dir() / "data_stack"
    assert [path.name for path in (content / "airflow" / "dags").iterdir()] == ["mine.py"]
    for name in ("airflow/steps.py", "airflow/standard_dags/pipeline.py", "images/airflow/Dockerfile"):
        assert (content / name).read_bytes() == (ROOT / "data_stack" / name).read_bytes()
    assert [list((content / name).iterdir()) for name in ("dashboards", "dbt", "meltano")] == [[], [], []]


def test_each_built_image_of_each_stack_has_a_separate_repository() -> None:
    """Neither two stacks, such as `a` and `a-b`, nor two images may share a repository."""
    built = dict.fromkeys(service.image for service in catalogue() if isinstance(service.image, Build))
    names = [build_context.reference("a", build, {}).rpartition(":")[0] for build in built]
    assert build_context.repositories("a") == names and len({*names}) == len(built) > 1
    others = {
        name
        for other in ("a-b", "b", *(f"a-{build.name}" for build in built))
        for name in build_context.repositories(other)
    }
    assert not others & set(names)


RECIPES = sorted(ROOT.glob("data_stack/images/*/Dockerfile"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_every_base_image_can_be_pinned(recipe: Path) -> None:
    """Each stage starts from an image that is named by a build argument, or from an earlier stage."""
    bases = build_context.base_images(Build(str(recipe.relative_to(ROOT))))
    lines = [line.split() for line in recipe.read_text().splitlines() if line.startswith("FROM ")]
    stages = {words[3] for words in lines if len(words) > 3}
    assert bases and {words[1] for words in lines} - stages == {f"${argument}" for argument in bases}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_dockerfile_makes_copied_files_readable_before_it_switches_the_user(recipe: Path) -> None:
    """With umask 077, git creates files that only their owner can read. COPY keeps this mode, so RUN must change it."""
    copied: list[str] = []
    for line in recipe.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            copied.append(rest.split()[-1])
        elif word == "RUN" and (found := re.match(r"chmod -R a\+rX ([^&]+)&&", rest)):
            opened = tuple(found[1].split())
            copied = [] if opened == (".",) else [place for place in copied if not place.startswith(opened)]
        elif word == "USER":
            assert copied == []
            return
    raise AssertionError("the image runs as root")
