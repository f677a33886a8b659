"""Test that the tag of an image changes with its Dockerfile and the files it copies, and with nothing else."""

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
def test_changed_input_of_an_image_changes_its_tag(tree: Path, name: str) -> None:
    before = build_context.content_digest(Build("Dockerfile"))
    (tree / name).write_text(RECIPE + "# changed")
    assert build_context.content_digest(Build("Dockerfile")) != before


@pytest.mark.parametrize("name", ["one/b.txt", "four/e.txt", "two/x.pyc"])
def test_changed_file_outside_the_image_keeps_its_tag(tree: Path, name: str) -> None:
    before = build_context.content_digest(Build("Dockerfile"))
    (tree / name).write_text("changed")
    assert build_context.content_digest(Build("Dockerfile")) == before


def test_base_images_do_not_include_build_stages(tree: Path) -> None:
    (tree / "Dockerfile").write_text("FROM one:1 AS first\nFROM two:2\nCOPY --from=first /a /b\nFROM first AS last\n")
    assert build_context.base_images(Build("Dockerfile")) == {"one:1", "two:2"}


def test_each_built_image_has_a_repository_of_its_stack_alone() -> None:
    """A repository names one stack and one service, also if the stack `a-b` exists beside the stack `a`."""
    built = [service for service in catalogue() if isinstance(service.image, Build)]
    names = [build_context.reference("a", service).rpartition(":")[0] for service in built]
    assert build_context.repositories("a") == names and len(names) > 1
    others = {
        name
        for other in ("a-b", "b", *(f"a-{each.name}" for each in built))
        for name in build_context.repositories(other)
    }
    assert not others & set(names)


RECIPES = sorted(ROOT.glob("data_stack/images/*/Dockerfile"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_copied_files_are_made_readable_before_the_user_changes(recipe: Path) -> None:
    """With umask 077 git makes files readable only by their owner, and COPY keeps these modes."""
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
