"""The stack file `Pulumi.<stack>.yaml`: read without the engine, changed in place with its comments kept."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from infra.settings import NAME, Settings
from stack_runtime.errors import UsageError
from stack_runtime.paths import PROJECT

SECRETS = "secrets"
_ANOTHER = "the same command with --stack and the name of a stack that is there"


def path_of(project: Path, stack: str) -> Path:
    """Where the settings of `stack` stand.

    Raises:
        UsageError: no stack may have that name.
    """
    if not re.fullmatch(NAME, stack):
        raise UsageError(f"a stack's name has small letters, digits and -, not {stack!r}", next_command=_ANOTHER)
    return project / f"Pulumi.{stack}.yaml"


def read(project: Path, stack: str) -> Settings:
    """The settings of `stack`; encrypted values are left out.

    Raises:
        UsageError: there is no such file, it is not YAML, or a setting is wrong.
    """
    prefix = f"{PROJECT}:"
    values = {
        key.removeprefix(prefix): _plain(value)
        for key, value in config(project, stack).items()
        if key.startswith(prefix) and key != f"{prefix}{SECRETS}"
    }
    return Settings.of(stack, values)


def config(project: Path, stack: str) -> dict[str, Any]:
    """Everything that the file says by key, of every namespace; what is encrypted as `{"secure": TEXT}`.

    Raises:
        UsageError: there is no such file, or it is not YAML.
    """
    found = _load(path_of(project, stack), _parsed).get("config") or {}
    if not isinstance(found, Mapping):
        raise UsageError("config is not a mapping", where=f"Pulumi.{stack}.yaml", next_command="correct the file")
    return {str(key): value for key, value in found.items()}


def write(project: Path, stack: str, changes: Mapping[str, Any]) -> None:
    """Set the settings in `changes` (camelCase keys) and leave every other line as it is; all or nothing."""
    path = path_of(project, stack)
    document = _load(path, _yaml().load)
    values = document.setdefault("config", {})
    for key, value in changes.items():
        values[f"{PROJECT}:{key}"] = value
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        _yaml().dump(document, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 200
    yaml.preserve_quotes = True
    return yaml


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """For those who only read: a command looks into its stack file some eight times."""
    return _yaml().load(text)


def _load(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.name.split(".")[1] for p in path.parent.glob("Pulumi.*.yaml"))) or "none"
        raise UsageError(
            f"there is no stack file {path.name}, stacks here: {known}",
            next_command=f"{_ANOTHER}, or make it: {_making(path)}",
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"not a YAML file: {reason}", where=path.name, next_command="correct the file") from None
    if not isinstance(document, Mapping):
        raise UsageError("the file has no settings", where=path.name, next_command="correct the file")
    return document


def _making(path: Path) -> str:
    """The command that makes a stack file for this machine's Docker, beside a dev stack on the usual ports."""
    settings = {"host": "local", "httpPort": 8081, "httpsPort": 8444}
    lines = "".join(rf"  {PROJECT}:{key}: {value}\n" for key, value in settings.items())
    return rf"printf 'config:\n{lines}' > {shlex.quote(os.path.relpath(path))}"


def _plain(value: Any) -> Any:
    """Numbers with a fraction become text, so that money is never a float."""
    return str(value) if isinstance(value, float) else value
