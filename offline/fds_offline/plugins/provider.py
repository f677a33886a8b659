"""Implement the gRPC service of a resource provider for all stand-ins; the engine calls this service.

Checks, previews, differences and refreshes are derived from the fields of a resource. Each call has its own thread, so
a container that takes a minute to become healthy does not delay other resources.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf import any_pb2, empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from fds_offline.plugins import GRPC_OPTIONS
from fds_offline.plugins import fields as rules
from fds_offline.plugins.fields import DEFAULTS, Fields
from fds_offline.plugins.parent import leave_with_engine
from fds_offline.plugins.resources import CrashError, Kind, NotReadyError, Package, PluginError, State
from fds_offline.plugins.values import plain_map, wrapped_map

THREADS = 64
_ENGINE_INPUTS = ("version", "pluginDownloadURL")
F = TypeVar("F", bound=Callable[..., Any])


def _with_readable_failures(method: F) -> F:
    """Wrap a method: for an expected failure, the engine gets one readable message. A `CrashError` ends the process."""

    @wraps(method)
    def guarded(self: StandIn, request: Any, context: Any) -> Any:
        try:
            return method(self, request, context)
        except CrashError as crash:
            sys.stderr.write(f"panic: runtime error: invalid memory address or nil pointer dereference: {crash}\n")
            sys.stderr.flush()
            os._exit(2)
        except Exception as error:
            text = self.package.readable(error)
            if text is None:
                raise
            if isinstance(error, NotReadyError):
                context.set_trailing_metadata([("grpc-status-details-bin", _recorded(error))])
            context.abort(grpc.StatusCode.UNKNOWN, text)

    return guarded  # type: ignore[return-value]


def _recorded(error: NotReadyError) -> bytes:
    """Return the error details that make the engine record a resource that was created but is not ready."""
    detail = any_pb2.Any()
    failed = provider_pb2.ErrorResourceInitFailed(id=error.resource_id, reasons=[str(error)])
    failed.properties.CopyFrom(wrapped_map(error.state))
    detail.Pack(failed)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    return bytes(status.SerializeToString())


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """The gRPC service of the provider that a `Package` defines."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._settings: State = {}
        self._client: Any = None
        self._connecting = threading.Lock()

    @property
    def client(self) -> Any:
        """Return the client that all calls share; the first call connects."""
        with self._connecting:
            if self._client is None:
                self._client = self.package.connect(self._settings)
            return self._client

    def _kind(self, request: Any) -> Kind:
        token = request.urn.split("::", maxsplit=3)[2].rsplit("$", maxsplit=1)[-1]
        try:
            return self.package.kinds[token]
        except KeyError:
            raise PluginError(
                f"the offline stand-in of the {self.package.name} provider does not implement {token}; "
                "use the official plugin"
            ) from None

    def GetPluginInfo(self, _: Any, __: Any) -> Any:
        """Return the version of the official provider that this stand-in follows."""
        return plugin_pb2.PluginInfo(version=self.package.version)

    def CheckConfig(self, request: Any, _: Any) -> Any:
        """Return failures for provider inputs that do not exist, are not implemented or have an invalid value."""
        given = plain_map(request.news)
        own = {key: value for key, value in given.items() if key not in _ENGINE_INPUTS and value not in ("", "[]")}
        _inputs, failures = rules.checked(self.package.config, own, {}, "", b"")
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def Configure(self, request: Any, _: Any) -> Any:
        """Store the provider's inputs; the first call that needs the client connects with them."""
        self._settings = plain_map(request.args)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_with_readable_failures
    def Check(self, request: Any, _: Any) -> Any:
        """Return the inputs, completed by defaults and a name, and the failures of their checks."""
        news, olds = plain_map(request.news), plain_map(request.olds)
        name = request.urn.split("::", maxsplit=3)[3]
        inputs, failures = rules.checked(self._kind(request).fields, news, olds, name, request.randomSeed)
        return provider_pb2.CheckResponse(inputs=wrapped_map(inputs), failures=_failures(failures))

    @_with_readable_failures
    def Diff(self, request: Any, _: Any) -> Any:
        """Return the differences between the recorded state and new inputs."""
        kind = self._kind(request)
        state, inputs = plain_map(request.olds), plain_map(request.news)
        changed = rules.changes(kind.fields, state, inputs, list(request.ignoreChanges))
        replaces = sorted(key for key, replaced in changed.items() if replaced)
        first = bool(replaces) and (kind.delete_first or _keeps_name(kind.fields, state, inputs))
        kinds = {key: _diff_kind(key, state, inputs, changed[key]) for key in changed}
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=first,
            diffs=sorted(changed),
            detailedDiff={key: provider_pb2.PropertyDiff(kind=kinds[key]) for key in changed},
            hasDetailedDiff=True,
        )

    @_with_readable_failures
    def Create(self, request: Any, _: Any) -> Any:
        """Create the resource; in a preview, only return the expected outputs."""
        kind, inputs = self._kind(request), plain_map(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=wrapped_map(rules.planned(kind.fields, inputs)))
        resource_id, state = kind.resource.create(self.client, _without_defaults(inputs))
        return provider_pb2.CreateResponse(id=resource_id, properties=wrapped_map(_without_id(state)))

    @_with_readable_failures
    def Read(self, request: Any, _: Any) -> Any:
        """Return the resource's actual state and inputs; an empty response if the resource is gone."""
        kind = self._kind(request)
        state = kind.resource.read(self.client, request.id, plain_map(request.properties))
        if state is None:
            return provider_pb2.ReadResponse()
        inputs = rules.refreshed(kind.fields, plain_map(request.inputs), state)
        return provider_pb2.ReadResponse(
            id=state.get("id", request.id),
            properties=wrapped_map(_without_id(state)),
            inputs=wrapped_map(inputs),
        )

    @_with_readable_failures
    def Update(self, request: Any, _: Any) -> Any:
        """Change the resource in place; in a preview, only return the expected outputs."""
        kind = self._kind(request)
        state, inputs = plain_map(request.olds), plain_map(request.news)
        for key in request.ignoreChanges:
            if key in state:
                inputs[key] = state[key]
        if request.preview:
            return provider_pb2.UpdateResponse(properties=wrapped_map(rules.planned(kind.fields, inputs, state)))
        if kind.partial:
            after = self._updated(kind, request.id, state, _without_defaults(inputs))
        else:
            after = kind.resource.update(self.client, request.id, state, _without_defaults(inputs))
        return provider_pb2.UpdateResponse(properties=wrapped_map(_without_id(after)))

    def _updated(self, kind: Kind, resource_id: str, state: State, inputs: State) -> State:
        """Update a resource of a `partial` kind; after an expected failure, make the engine record the new inputs."""
        if not rules.changes(kind.fields, state, inputs, ()):
            return state
        try:
            return kind.resource.update(self.client, resource_id, state, inputs)
        except Exception as error:
            text = self.package.readable(error)
            if text is None:
                raise
            asked = rules.planned(kind.fields, inputs, state)
            kept = {key: state[key] for key, field in kind.fields.items() if field.replace and key in state}
            raise NotReadyError(text, resource_id, {**state, **asked, **kept}) from error

    @_with_readable_failures
    def Delete(self, request: Any, _: Any) -> Any:
        """Delete the resource."""
        self._kind(request).resource.delete(self.client, request.id, plain_map(request.properties))
        return empty_pb2.Empty()

    def Cancel(self, _: Any, __: Any) -> Any:
        """Do nothing: running calls continue, and the engine waits for them."""
        return empty_pb2.Empty()


def _failures(failures: rules.Failures) -> list[Any]:
    return [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in failures]


def _without_defaults(inputs: State) -> State:
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


def _without_id(state: State) -> State:
    return {key: value for key, value in state.items() if key != "id"}


def _keeps_name(fields: Fields, state: State, inputs: State) -> bool:
    """Return whether the program sets the resource's name and does not change it.

    If so, a replacement must delete the old resource first, because two resources cannot have one name at once.
    """
    return any(
        field.auto_name and key not in inputs.get(DEFAULTS, ()) and state.get(key) == inputs.get(key)
        for key, field in fields.items()
    )


def _diff_kind(key: str, state: State, inputs: State, replaced: bool) -> Any:
    name = "ADD" if key not in state else "DELETE" if key not in inputs else "UPDATE"
    return provider_pb2.PropertyDiff.Kind.Value(f"{name}_REPLACE" if replaced else name)


def serve(package: Package) -> None:
    """Run the plugin until the engine ends it; print the port to standard output."""
    server = grpc.server(ThreadPoolExecutor(THREADS), options=GRPC_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(StandIn(package), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    leave_with_engine()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:  # the engine stops its plugins by SIGINT
        server.stop(grace=None)
