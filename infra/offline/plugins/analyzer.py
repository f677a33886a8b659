"""Offline stand-in for `pulumi-analyzer-policy-python`, which runs a Python policy pack.

The engine asks for it only where it finds no language host that runs plugins. It starts this in the pack's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from infra.offline.plugins.language.toolchain import Toolchain


def command(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """The process that runs the pack, and its environment. Arguments: engine address, folder, `-option=value`…"""
    options = dict(argument[1:].split("=", maxsplit=1) for argument in arguments if argument.startswith("-"))
    engine, folder = [argument for argument in arguments if not argument.startswith("-")][:2]
    toolchain = Toolchain(Path.cwd(), options)
    if not options:
        return [sys.executable, "-u", "-m", "pulumi.policy", engine, folder], dict(os.environ)
    return [toolchain.python, "-u", "-m", "pulumi.policy", engine, folder], toolchain.variables()


if __name__ == "__main__":
    words, variables = command(sys.argv[1:])
    os.execve(words[0], words, variables)  # noqa: S606
