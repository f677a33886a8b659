"""The engine's gRPC protocol, loaded without the SDK that wraps it.

The stubs in `pulumi.runtime.proto` need nothing of `pulumi` itself, whose import takes 0.3 s of processor time. Every
`pulumi` command starts a language host and the providers, so they would each pay it; with the stubs alone they are up
in half the time. (`pulumi.provider.experimental` is the same protocol behind that import.) Import this module before
anything of `pulumi`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

MESSAGE_BYTES = 400 * 1024 * 1024
OPTIONS = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
"""The limits that the SDK sets, too."""


def _bare_package(name: str, folder: Path) -> None:
    module = ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


def _without_the_sdk() -> None:
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package 'pulumi' is not installed")
    root = Path(spec.origin).parent
    _bare_package("pulumi", root)
    _bare_package("pulumi.runtime", root / "runtime")


def prepare() -> None:
    """Make `pulumi.runtime.proto` importable at little cost in a process that will never run a program."""
    if "pulumi" not in sys.modules:
        _without_the_sdk()
