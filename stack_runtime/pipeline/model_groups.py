"""Group the models by their folder in the dbt project, and sort each group after the groups whose models it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

BUILT_KINDS = ("model", "seed", "snapshot")
"""The dbt resource types that become a table or a view."""


@dataclass(frozen=True)
class Node:
    """One model, seed or snapshot. `reads` has the ids of the nodes that this node selects from."""

    id: str
    selector: str
    folder: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class ModelGroup:
    """Models that one Airflow task builds.

    Args:
        select: the nodes of the group, in dbt's selection syntax.
        after: names of the groups whose models this group reads.
    """

    name: str
    select: str
    after: tuple[str, ...]


def groups_of(manifest: Any) -> tuple[ModelGroup, ...]:
    """Return the groups of the models in dbt's manifest."""
    nodes = [node for node in manifest.nodes.values() if node.resource_type in BUILT_KINDS]
    project = manifest.metadata.project_name
    return group_nodes(
        Node(node.unique_id, f"fqn:{'.'.join(node.fqn)}", _folder(node, project), tuple(node.depends_on_nodes))
        for node in nodes
    )


def group_nodes(nodes: Iterable[Node]) -> tuple[ModelGroup, ...]:
    """Group `nodes` by folder, and sort each group after the groups whose nodes it reads.

    Folders whose nodes read each other, directly or through other folders, are one group.
    """
    found = {node.id: node for node in nodes}
    reads: dict[str, set[str]] = {node.folder: set() for node in found.values()}
    for node in found.values():
        reads[node.folder] |= {found[read].folder for read in node.reads if read in found} - {node.folder}
    reached = {folder: _reached(folder, reads) for folder in reads}
    names = {
        folder: "+".join(sorted({folder} | {other for other in reached[folder] if folder in reached[other]}))
        for folder in reads
    }
    after: dict[str, set[str]] = {name: set() for name in names.values()}
    for folder, others in reads.items():
        after[names[folder]] |= {names[other] for other in others} - {names[folder]}
    members: dict[str, list[str]] = {name: [] for name in after}
    for node in found.values():
        members[names[node.folder]].append(node.selector)
    order = TopologicalSorter({name: sorted(after[name]) for name in sorted(after)}).static_order()
    return tuple(ModelGroup(name, " ".join(sorted(members[name])), tuple(sorted(after[name]))) for name in order)


def graph_module(sources: Sequence[str], groups: Sequence[ModelGroup], marts: Sequence[str]) -> str:
    """Return the text of a Python module with the sources, groups and marts, from which Airflow builds a DAG."""
    return "\n".join(
        (
            '"""Made from meltano.yml and the dbt project by `python -m stack_runtime.pipeline graph`."""',
            "",
            f"SOURCES = {tuple(sources)!r}",
            f"GROUPS = {tuple((group.name, group.after) for group in groups)!r}",
            '"""Each group of models with those that it reads."""',
            f"MARTS = {tuple(sorted(marts))!r}",
        )
    )


def _reached(start: str, reads: Mapping[str, set[str]]) -> set[str]:
    """Return all folders that the folder `start` depends on, directly or through other folders."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in reads[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def _folder(node: Any, project: str) -> str:
    """Return the folder of a node in the project; for a node of an installed package, return the package's name.

    The folder of a model is relative to `models`; it is `models` for a model directly in this folder.
    """
    if node.package_name != project:
        return str(node.package_name)
    parts = PurePosixPath(node.original_file_path).parent.parts
    return "/".join(parts[1:] if node.resource_type == "model" else parts) or "models"
