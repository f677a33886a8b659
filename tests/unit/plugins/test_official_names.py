"""Test that the stand-in providers have the inputs (also nested ones), outputs and versions of the official SDKs."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pulumi_docker
import pulumi_hcloud
import pytest

from fds_offline.plugins.docker.package import PACKAGE as DOCKER
from fds_offline.plugins.fields import Fields
from fds_offline.plugins.hcloud.package import PACKAGE as HCLOUD
from fds_offline.plugins.resources import Kind

KINDS = [
    pytest.param(sdk, token, kind, id=token.rsplit(":", maxsplit=1)[-1] + "-" + sdk.__name__)
    for sdk, package in ((pulumi_docker, DOCKER), (pulumi_hcloud, HCLOUD))
    for token, kind in package.kinds.items()
]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def parameters(args: Any) -> dict[str, str]:
    """Return the annotation of each property that an official class takes as parameter, by its name in camelCase."""
    found = inspect.signature(args.__init__).parameters.items()
    return {
        camel(name): str(parameter.annotation)
        for name, parameter in found
        if name not in ("self", "__self__", "resource_name", "opts", "args")
    }


def compare(sdk: Any, args: Any, fields: Fields, path: str) -> None:
    official = parameters(args)
    own = {name for name, field in fields.items() if not field.output}
    assert own == set(official), path
    for name, field in fields.items():
        nested = re.search(r"(\w+Args)\b", official.get(name, ""))
        if nested is None or field.missing:
            assert field.of is None or field.output, f"{path}.{name}"
        else:
            assert field.of is not None, f"{path}.{name}"
            compare(sdk, getattr(sdk, nested[1], None) or getattr(sdk._inputs, nested[1]), field.of, f"{path}.{name}")


@pytest.mark.parametrize(("sdk", "token", "kind"), KINDS)
def test_inputs_of_a_resource_type_equal_the_inputs_in_the_official_sdk(sdk: Any, token: str, kind: Kind) -> None:
    name = token.rsplit(":", maxsplit=1)[-1]
    module = importlib.import_module(getattr(sdk, name).__module__)
    args = getattr(module, f"{name}Args", None) or getattr(module, f"{name}InitArgs")
    compare(sdk, args, kind.fields, name)


@pytest.mark.parametrize(("sdk", "token", "kind"), KINDS)
def test_outputs_of_a_resource_type_equal_the_outputs_in_the_official_sdk(sdk: Any, token: str, kind: Kind) -> None:
    name = token.rsplit(":", maxsplit=1)[-1]
    module = importlib.import_module(getattr(sdk, name).__module__)
    assert set(kind.fields) == set(parameters(getattr(module, f"_{name}State")))


@pytest.mark.parametrize(("sdk", "package"), [(pulumi_docker, DOCKER), (pulumi_hcloud, HCLOUD)])
def test_inputs_of_the_provider_equal_the_provider_inputs_in_the_official_sdk(sdk: Any, package: Any) -> None:
    assert set(package.config) == set(parameters(sdk.ProviderArgs))


@pytest.mark.parametrize(("sdk", "package"), [(pulumi_docker, DOCKER), (pulumi_hcloud, HCLOUD)])
def test_version_of_a_stand_in_equals_the_version_of_the_official_sdk(sdk: Any, package: Any) -> None:
    assert package.version == sdk._utilities.get_version()


@pytest.mark.parametrize(("sdk", "token", "kind"), KINDS)
def test_every_resource_type_implements_create_read_update_and_delete(sdk: Any, token: str, kind: Kind) -> None:
    for verb in ("create", "read", "update", "delete"):
        assert callable(getattr(kind.resource, verb))
