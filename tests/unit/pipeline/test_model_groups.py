"""Test that dbt models are grouped by folder, and that each group comes after the groups whose models it reads."""

from __future__ import annotations

from stack_runtime.pipeline.model_groups import Node, graph_module, group_nodes


def _node(name: str, folder: str, *reads: str) -> Node:
    return Node(name, f"fqn:{name}", folder, reads)


def test_group_comes_after_the_groups_whose_models_it_reads() -> None:
    groups = group_nodes(
        [_node("c", "marts", "b", "source"), _node("b", "staging", "a"), _node("a", "seeds"), _node("d", "marts", "a")]
    )
    assert [(group.name, group.after) for group in groups] == [
        ("seeds", ()), ("staging", ("seeds",)), ("marts", ("seeds", "staging")),
    ]  # fmt: skip
    assert groups[-1].select == "fqn:c fqn:d"


def test_folders_whose_models_read_each_other_become_one_group() -> None:
    groups = group_nodes(
        [_node("a", "sales"), _node("b", "ads", "a"), _node("c", "sales", "b"), _node("d", "reports", "c", "b")]
    )
    assert [(group.name, group.after) for group in groups] == [("ads+sales", ()), ("reports", ("ads+sales",))]
    assert groups[0].select == "fqn:a fqn:b fqn:c"


def test_project_without_models_has_no_groups() -> None:
    assert group_nodes([]) == ()


def test_generated_module_for_the_dag_lists_sources_groups_and_marts() -> None:
    groups = group_nodes([_node("b", 'o"dd', "a"), _node("a", "x")])
    found: dict[str, object] = {}
    exec(graph_module(["tap-csv"], groups, ["two", "one"]), found)
    assert found["SOURCES"] == ("tap-csv",) and found["MARTS"] == ("one", "two")
    assert found["GROUPS"] == (("x", ()), ('o"dd', ("x",)))
