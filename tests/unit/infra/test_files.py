"""Test which inputs the file uploader passes to the Docker provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pulumi_docker as docker
import pytest
from pulumi import runtime
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from infra.component.containers import volumes_of
from infra.component.files import file_uploader
from infra.component.generated_secrets import names, value
from infra.services import selected
from infra.settings import Settings

KNOWN = {"content", "contentBase64", "executable", "file", "permissions", "source", "sourceHash"}
"""Inputs of an upload that all versions 5.x of the Docker plugin accept; early versions refuse `owner` and `group`."""


class _RecordingMocks(Mocks):
    """Mocks of the Pulumi engine that record the inputs of each resource, and return them as its outputs."""

    def __init__(self) -> None:
        self.inputs: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.inputs[args.name] = args.inputs
        return f"{args.name}-id", args.inputs

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the file uploader must not call functions, but called {args.token}")


_mocks = _RecordingMocks()


@pytest.fixture(autouse=True)
def mocked() -> None:
    """Install the mocks on a new event loop, because another test may have closed the current one."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    set_mocks(_mocks)


@runtime.test
def test_uploads_are_world_readable_and_use_only_inputs_that_all_versions_5_of_the_docker_plugin_accept() -> Any:
    settings = Settings.of("dev", {"host": "local", "profiles": ["full"]})
    services = selected(settings)
    secrets = pulumi.Output.secret({name: value(name) for name in names(settings)})
    volumes = {name: docker.Volume(name) for name in volumes_of(services)}
    made = file_uploader(
        settings, services, secrets, volumes, pulumi.Output.from_input("sha256:0"), pulumi.ResourceOptions()
    )

    def check(_: str) -> None:
        uploads = _mocks.inputs["dev-files"]["uploads"]["value"]  # Pulumi wraps a secret in an object
        assert len(uploads) == sum(len(service.files) for service in services)
        for upload in uploads:
            assert upload.keys() <= KNOWN
            assert upload["permissions"] == "0444"

    return made.id.apply(check)
