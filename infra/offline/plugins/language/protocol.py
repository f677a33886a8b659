"""The gRPC stubs of the engine, loaded without the SDK that wraps them.

Importing `pulumi` costs 0.3 s, which every `pulumi` command would pay; the stubs in `pulumi.runtime.proto` need
nothing of it. This process runs no program, so the SDK proper is never wanted here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def _bare_package(name: str, folder: Path) -> None:
    module = ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def load() -> tuple[Any, Any, Any]:
    """The modules `language_pb2`, `language_pb2_grpc` and `plugin_pb2`."""
    if "pulumi" not in sys.modules:
        spec = importlib.util.find_spec("pulumi")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the package 'pulumi' is not installed")
        root = Path(spec.origin).parent
        _bare_package("pulumi", root)
        _bare_package("pulumi.runtime", root / "runtime")
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

    return language_pb2, language_pb2_grpc, plugin_pb2
