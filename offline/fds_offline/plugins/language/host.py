"""Implement the gRPC service of a language host, which the engine calls."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc as pb_grpc
from pulumi.runtime.proto import plugin_pb2 as plugin_pb

from fds_offline.plugins import GRPC_OPTIONS
from fds_offline.plugins.language.toolchain import Toolchain, ToolchainError
from fds_offline.plugins.parent import leave_with_engine

VERSION = "3.259.0"
"""The version of the official language host whose behaviour this host follows."""
SHOWN_EXIT_CODE = 32
"""Exit code of `exec.py` after it has shown the program's error to the user."""
EXECUTOR = Path(__file__).with_name("exec.py")
PACK_RUNNER = Path(__file__).with_name("pack.py")


def _toolchain(info: Any) -> Toolchain:
    return Toolchain(Path(info.root_directory), dict(info.options))


class LanguageHost(pb_grpc.LanguageRuntimeServicer):
    """Serve the engine's requests for one program. Processes that the host starts end when the host ends."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._children: set[subprocess.Popen[Any]] = set()

    def Handshake(self, request: Any, _: Any) -> Any:
        """Store the engine's address."""
        self._engine = request.engine_address
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, _: Any, __: Any) -> Any:
        """Return the version of this language host."""
        return plugin_pb.PluginInfo(version=VERSION)

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """Return the provider packages in the program's virtualenv; a missing virtualenv of a uv project is created."""
        with _readable_failures(context):
            toolchain = _toolchain(request.info)
            if toolchain.environment is not None and not toolchain.environment.is_dir():
                toolchain.sync()
            return pb.GetRequiredPackagesResponse(packages=[_dependency(each) for each in toolchain.packages()])

    def Run(self, request: Any, context: Any) -> Any:
        """Update the virtualenv if it belongs to a uv project, then run the program to its end."""
        with _readable_failures(context):
            toolchain = _toolchain(request.info)
            toolchain.sync("--inexact")
            variables = toolchain.variables()
            variables["PULUMI_CONFIG"] = json.dumps(dict(request.config))
            variables["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
            command = [toolchain.python, "-P", str(EXECUTOR), *self._arguments(request)]
            code = self._wait(subprocess.Popen(command, cwd=request.info.program_directory, env=variables))
            if code == SHOWN_EXIT_CODE:
                return pb.RunResponse(bail=True)
            return pb.RunResponse(error=f"program exited with non-zero exit code: {code}" if code else "")

    def _arguments(self, request: Any) -> list[str]:
        named = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        flags = [word for key, value in named.items() if value for word in (f"--{key}", value)]
        return [*flags, "--", request.info.entry_point, *request.args]

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Run `uv sync` if the toolchain is uv; with another toolchain, the user installs the dependencies."""
        yield pb.InstallDependenciesResponse(stdout=b"Installing dependencies...\n\n")
        with _readable_failures(context):
            _toolchain(request.info).sync()
        yield pb.InstallDependenciesResponse(stdout=b"Finished installing dependencies\n\n")

    def RuntimeOptionsPrompts(self, _: Any, __: Any) -> Any:
        """Return no prompts, because the user is not asked for any runtime options."""
        return pb.RuntimeOptionsResponse()

    def About(self, request: Any, context: Any) -> Any:
        """Return path and version of the interpreter, and the name of the toolchain."""
        with _readable_failures(context):
            toolchain = _toolchain(request.info)
            version = subprocess.run([toolchain.python, "-V"], capture_output=True, text=True, check=True).stdout
            return pb.AboutResponse(
                executable=toolchain.python,
                version=version.removeprefix("Python ").strip(),
                metadata={"toolchain": toolchain.name},
            )

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """Return only the program's provider packages. Users can list all other packages with pip or uv."""
        with _readable_failures(context):
            found = _toolchain(request.info).packages()
            return pb.GetProgramDependenciesResponse(
                dependencies=[pb.DependencyInfo(name=each["name"], version=each["version"]) for each in found]
            )

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin or a policy pack written in Python, and pass on its output."""
        with _readable_failures(context):
            toolchain = _toolchain(request.info)
            folder = request.info.program_directory
            pack = request.kind == "analyzer"
            what = ["-P", str(PACK_RUNNER), *request.args, folder] if pack else [folder, *request.args]
            variables = toolchain.variables() | dict(each.split("=", maxsplit=1) for each in request.env)
            process = subprocess.Popen(
                [toolchain.python, "-u", *what],
                cwd=folder if pack else request.pwd,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        context.add_callback(lambda: _end(process))
        threading.Thread(target=self._wait, args=(process,), daemon=True).start()
        assert process.stdout is not None
        for line in process.stdout:
            yield pb.RunPluginResponse(stdout=line)
        yield pb.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, _: Any, __: Any) -> Any:
        """Send SIGINT to all programs, plugins and policy packs that this host runs."""
        for process in set(self._children):
            process.send_signal(signal.SIGINT)
        return empty_pb2.Empty()

    def _wait(self, process: subprocess.Popen[Any]) -> int:
        self._children.add(process)
        try:
            return process.wait()
        finally:
            self._children.discard(process)

    def end_all(self) -> None:
        """Terminate all processes that this host started and that still run."""
        for process in set(self._children):
            _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()


def _dependency(plugin: dict[str, Any]) -> Any:
    given = plugin.get("parameterization")
    return plugin_pb.PackageDependency(
        name=plugin["name"],
        version="v" + plugin["version"].removeprefix("v"),
        kind="resource",
        server=plugin.get("server", ""),
        parameterization=plugin_pb.PackageParameterization(**given) if given else None,
    )


class _readable_failures:
    """Context manager that ends the call with one readable message if an expected failure occurs in its block."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, (ToolchainError, OSError, subprocess.CalledProcessError)):
            self._context.abort(grpc.StatusCode.UNKNOWN, str(error))


def serve() -> None:
    """Serve until the engine ends; print the port to standard output."""
    engine = next((argument for argument in reversed(sys.argv[1:]) if not argument.startswith("-")), "")
    host = LanguageHost(engine)
    server = grpc.server(ThreadPoolExecutor(max_workers=32), options=GRPC_OPTIONS)
    pb_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    leave_with_engine(host.end_all)
    print(port, flush=True)
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:  # the engine stops its plugins by SIGINT
        host.end_all()
        server.stop(grace=None)
