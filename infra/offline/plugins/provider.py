"""The frame of the stand-in providers: tables of resources on `pulumi.provider.experimental`.

A resource is a `Resource` with its fields and four functions; checking, planning, differences and refreshes follow
from the fields. The functions block, so they run in threads: the gRPC server goes on answering meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from google.protobuf import any_pb2  # type: ignore[import-untyped]
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from infra.offline.plugins import fields as rules
from infra.offline.plugins.fields import DEFAULTS, Fields
from infra.offline.plugins.parent import leave_with_engine
from infra.offline.plugins.values import plain_map, wrapped_map

State = dict[str, Any]
_ENGINE_INPUTS = ("version", "pluginDownloadURL")


class PluginError(Exception):
    """A failure with a message that says it all; the engine prints it."""


class NotReadyError(PluginError):
    """The resource was made but did not come up: the engine records it, and the update fails."""

    def __init__(self, message: str, resource_id: str, state: State) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state


class Resource(Protocol):
    """What a stand-in implements of one resource. `client` is what `StandIn.connect` gave."""

    fields: Fields
    delete_first: bool
    """A replacement removes the old one first, unless the program says otherwise."""

    def create(self, client: Any, inputs: State) -> tuple[str, State]:
        """Make it; returns its ID and state."""
        ...

    def read(self, client: Any, resource_id: str, state: State) -> State | None:
        """The real state, or None when it is gone. `state` is what was recorded; empty on an import."""
        ...

    def update(self, client: Any, resource_id: str, state: State, inputs: State) -> State:
        """Change it in place; returns the new state."""
        ...

    def delete(self, client: Any, resource_id: str, state: State) -> None:
        """Remove it; one that is gone already is no error."""
        ...


@dataclass(frozen=True)
class Package:
    """A provider: its name and version, its own inputs, its resources by type token, and how to connect."""

    name: str
    version: str
    config: Fields
    resources: Mapping[str, Resource]
    connect: Callable[[State], Any]
    errors: tuple[type[Exception], ...]
    """Exceptions of the client that are expected; `readable` says them in one line."""
    readable: Callable[[Exception], str] = str


class StandIn(api.Provider):
    """Serves a `Package`."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix=package.name)
        self._settings: State = {}
        self._client: asyncio.Future[Any] | None = None

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(client, *args)` in a thread; the first call connects."""
        loop = asyncio.get_running_loop()
        if self._client is None or (self._client.done() and self._client.exception()):
            self._client = loop.run_in_executor(self._threads, self._package.connect, self._settings)
        client = await asyncio.shield(self._client)
        return await loop.run_in_executor(self._threads, function, client, *args)

    def _resource(self, token: str) -> Resource:
        try:
            return self._package.resources[token.rpartition("$")[2]]  # a child carries the types of its parents
        except KeyError:
            raise PluginError(
                f"the offline stand-in of the {self._package.name} provider does not implement {token}; "
                "use the official plugin"
            ) from None

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        given = plain_map(request.new_inputs)
        own = {key: value for key, value in given.items() if key not in _ENGINE_INPUTS and value not in ("", "[]")}
        _, failures = rules.checked(self._package.config, own, {}, request.name, b"")
        return api.CheckResponse(request.new_inputs, [api.CheckFailure(*failure) for failure in failures])

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        self._settings = plain_map(request.args)
        return api.ConfigureResponse(supports_preview=True)

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        resource = self._resource(request.type)
        inputs, failures = rules.checked(
            resource.fields,
            plain_map(request.new_inputs),
            plain_map(request.old_inputs),
            request.name,
            request.random_seed,
        )
        return api.CheckResponse(wrapped_map(inputs), [api.CheckFailure(*failure) for failure in failures])

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        resource = self._resource(request.type)
        state, inputs = plain_map(request.old_state), plain_map(request.new_inputs)
        changed = rules.changes(resource.fields, state, inputs, request.ignore_changes)
        replaces = sorted(key for key, replaced in changed.items() if replaced)
        return api.DiffResponse(
            changes=bool(changed),
            replaces=replaces,
            delete_before_replace=bool(replaces)
            and (resource.delete_first or _keeps_name(resource.fields, state, inputs)),
            diffs=sorted(changed),
            detailed_diff={key: api.PropertyDiff(_kind(key, state, inputs, changed[key]), False) for key in changed},
        )

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        resource, inputs = self._resource(request.type), plain_map(request.properties)
        if request.preview:
            return api.CreateResponse("", wrapped_map(rules.planned(resource.fields, inputs)))
        resource_id, state = await self._call(resource.create, _without_defaults(inputs))
        return api.CreateResponse(resource_id, wrapped_map(state))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        resource = self._resource(request.type)
        state = await self._call(resource.read, request.resource_id, plain_map(request.properties))
        if state is None:
            return api.ReadResponse("")
        inputs = rules.refreshed(resource.fields, plain_map(request.inputs), state)
        return api.ReadResponse(state.pop("id", request.resource_id), wrapped_map(state), wrapped_map(inputs))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        resource = self._resource(request.type)
        state, inputs = plain_map(request.olds), plain_map(request.news)
        for key in request.ignore_changes:
            if key in state:
                inputs[key] = state[key]
        if request.preview:
            return api.UpdateResponse(wrapped_map(rules.planned(resource.fields, inputs, state)))
        news = _without_defaults(inputs)
        return api.UpdateResponse(wrapped_map(await self._call(resource.update, request.resource_id, state, news)))

    async def delete(self, request: api.DeleteRequest) -> None:
        resource = self._resource(request.type)
        await self._call(resource.delete, request.resource_id, plain_map(request.properties))

    @property
    def expected(self) -> tuple[type[Exception], ...]:
        """Exceptions whose text is enough for a user."""
        return (PluginError, *self._package.errors)

    def text(self, error: Exception) -> str:
        """What a user reads of an expected failure."""
        return self._package.readable(error)


def _without_defaults(inputs: State) -> State:
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


def _keeps_name(fields: Fields, state: State, inputs: State) -> bool:
    """A name that the program fixed cannot be held by two at once."""
    return any(
        field.auto_name and key not in inputs.get(DEFAULTS, ()) and state.get(key) == inputs.get(key)
        for key, field in fields.items()
    )


def _kind(key: str, state: State, inputs: State, replaced: bool) -> api.PropertyDiffKind:
    name = "ADD" if key not in state else "DELETE" if key not in inputs else "UPDATE"
    return api.PropertyDiffKind[f"{name}_REPLACE" if replaced else name]


class _Servicer(ProviderServicer):
    """Turns failures into one readable message, without the library's traceback."""

    _provider: StandIn

    async def _guarded(self, work: Awaitable[Any], context: Any) -> Any:
        try:
            return await work
        except NotReadyError as error:
            await _abort_recorded(error, context)
        except self._provider.expected as error:
            await context.abort(grpc.StatusCode.UNKNOWN, self._provider.text(error))


def _guard(name: str) -> Callable[..., Any]:
    original = getattr(ProviderServicer, name)

    async def method(self: _Servicer, request: Any, context: Any) -> Any:
        return await self._guarded(original(self, request, context), context)

    return method


for _name in ("CheckConfig", "Configure", "Check", "Diff", "Create", "Read", "Update", "Delete"):
    setattr(_Servicer, _name, _guard(_name))


async def _abort_recorded(error: NotReadyError, context: Any) -> None:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=PropertyValue.marshal_map(wrapped_map(error.state)),
            reasons=[str(error)],
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    context.set_trailing_metadata(metadata)
    await context.abort(grpc.StatusCode.UNKNOWN, str(error), metadata)


def serve(package: Package) -> None:
    """Run the plugin: the engine gives its address as an argument and reads the port from standard output."""

    async def run() -> None:
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        servicer = _Servicer(sys.argv[1:], package.version, StandIn(package), engine_address="")
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        leave_with_engine()
        print(port, flush=True)
        await server.wait_for_termination()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return
