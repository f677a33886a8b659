"""Read the stack file `Pulumi.<stack>.yaml` without Pulumi's engine, and change it without losing comments."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from infra.setting_types import NAME
from infra.settings import Settings
from infra.stack_secrets import SECRETS, TOKEN, check_encryption
from stack_runtime.errors import RefusedError, StackError, UsageError
from stack_runtime.files import write_atomically
from stack_runtime.paths import PROJECT
from stack_runtime.text import shortened

_ANOTHER = "the same command with --stack and the name of an existing stack"
_TOP_LEVEL = frozenset({"config", "encryptionsalt", "encryptedkey", "secretsprovider"})
"""Top-level keys that a stack file may have: all that the engine reads, except `environment`, which adds settings from
outside the file."""
_OTHER_KEYS = frozenset({TOKEN})
"""Configuration keys of other namespaces that the program uses."""
_OWN_KEY = re.compile(rf"{PROJECT}:[A-Za-z]+")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_NOT_TEXT = re.compile(
    r"true|false|y|yes|n|no|on|off|null|~|=|<<|"
    r"[-+]?\.(inf|nan)|[-+]?0[box][0-9a-f_]+|[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(e[-+]?[0-9]+)?|"
    r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t\s].*)?",
    re.IGNORECASE,
)
"""Pattern of unquoted values that YAML 1.1, YAML 1.2 or the engine's parser reads as something other than text."""


def path_of(project: Path, stack: str) -> Path:
    """Return the path of the stack file of `stack`.

    Raises:
        UsageError: the name is not valid for a stack.
    """
    if not re.fullmatch(NAME, stack):
        raise UsageError(f"a stack's name has small letters, digits and -, not {stack!r}", next_command=_ANOTHER)
    return project / f"Pulumi.{stack}.yaml"


def names(project: Path) -> list[str]:
    """Return the names of all stacks that have a file in the project, sorted."""
    found = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project.glob("Pulumi.*.yaml"))
    return sorted(name for name in found if re.fullmatch(NAME, name))


def is_ours(project: Path) -> bool:
    """Return False if `Pulumi.yaml` belongs to another program, such as one that uses the component; else True."""
    path = project / "Pulumi.yaml"
    # Compare only the name of the project, because the project file of another program may contain anything.
    return not path.is_file() or _load(path, _yaml().load).get("name") == PROJECT


def read(project: Path, stack: str) -> Settings:
    """Return the settings of `stack`, without its secrets. Pulumi's engine resolves the same settings from the file.

    Raises:
        UsageError: the file is missing or not YAML, has something that the engine reads differently, or a setting
            is wrong; or `Pulumi.yaml` has settings or belongs to another program.
    """
    _refuse_project_config(project)
    return settings_of(stack, config(project, stack))


def resolved(project: Path, stack: str, engine: Mapping[str, str]) -> Settings:
    """Return the settings of `stack` after checking that the engine resolved exactly the same settings.

    The engine also reads other sources: another file (`--config-file`), `Pulumi.yaml`, and Pulumi's environments.

    Args:
        engine: the configuration that the engine resolved, by key with its namespace, decrypted.

    Raises:
        UsageError: the engine resolved other settings, or the stack file is wrong.
    """
    said = read(project, stack)
    differing = {
        key
        for key in {*engine} ^ {*config(project, stack)}
        if not key.startswith("pulumi:") and key != f"{PROJECT}:{SECRETS}"  # a preview may add missing secrets
    }
    if not differing:
        found = settings_of(stack, engine)
        differing = {
            f"{PROJECT}:{to_camel(name)}"
            for name in Settings.model_fields
            if getattr(found, name) != getattr(said, name)
        }
    if differing:
        raise UsageError(
            f"the engine resolved {', '.join(sorted(differing))} differently from Pulumi.{stack}.yaml",
            where=str(project),
            next_command=f"keep all settings in Pulumi.{stack}.yaml, and run without --config-file",
        )
    return said


def settings_of(stack: str, configuration: Mapping[str, Any]) -> Settings:
    """Return the settings in a configuration from a stack file or from the engine, without keys of other namespaces.

    Raises:
        UsageError: a setting is wrong.
    """
    prefix = f"{PROJECT}:"
    own = (key for key in configuration if key.startswith(prefix) and key != prefix + SECRETS)
    return Settings.of(stack, {key.removeprefix(prefix): _plain(configuration[key]) for key in own})


def config(project: Path, stack: str) -> dict[str, Any]:
    """Return the whole configuration of the file, by key with its namespace. Encrypted values are `{"secure": TEXT}`.

    Raises:
        UsageError: the file does not exist, is not YAML, or has an unknown key, a key without a value, a secret in
            plain text, or an encrypted setting.
    """
    path = path_of(project, stack)
    document = _load(path, _parsed)
    for key in document:
        if key not in _TOP_LEVEL:
            raise _wrong(path.name, f"{key} does not belong in a stack file")
    found = document.get("config") or {}
    if not isinstance(found, Mapping):
        raise _wrong(path.name, "config is not a mapping")
    for key, value in found.items():
        if not _OWN_KEY.fullmatch(str(key)) and key not in _OTHER_KEYS:
            raise _wrong(path.name, f"{key} is not a setting of the form {PROJECT}:NAME")
        if value is None:
            raise _wrong(path.name, f"{key} has no value")
        check_encryption(stack, str(key), value)
    return {str(key): value for key, value in found.items()}


def _refuse_project_config(project: Path) -> None:
    """Refuse a `Pulumi.yaml` that contains settings or `stackConfigDir`, or that belongs to another project.

    With `stackConfigDir`, the engine would read stack files in another folder.

    Raises:
        UsageError: the file is refused; the error names the reason.
    """
    path = project / "Pulumi.yaml"
    if not path.is_file():
        return
    document = _load(path, _parsed)
    if document.get("name") != PROJECT:
        raise UsageError(
            f"this is the Pulumi project {shortened(document.get('name'))}, not a data stack",
            where=str(project),
            next_command="cd into the folder of a data stack, or fds init my-data",
        )
    for key in ("config", "stackConfigDir"):
        if key in document:
            raise _wrong(path.name, f"{key} does not belong here: settings are allowed only in Pulumi.STACK.yaml")


def write(project: Path, stack: str, changes: Mapping[str, Any], *, planned_on: Settings | None = None) -> None:
    """Set the settings in `changes` (camelCase keys), all at once, and leave every other line as it is.

    Args:
        planned_on: the settings that the changes were planned on; None if they need no plan.

    Raises:
        RefusedError: the file has other settings than `planned_on`, so the resulting settings were never planned.
        StackError: the file cannot be written.
    """
    path = path_of(project, stack)
    if planned_on is not None and read(project, stack) != planned_on:
        raise RefusedError(
            "the settings were changed while this change was planned, so nothing was written",
            where=path.name,
            next_command="the same command again",
        )
    document = _load(path, _yaml().load)
    if document.get("config") is None:  # `config:` may have no value
        document["config"] = {}
    for key, value in changes.items():
        document["config"][f"{PROJECT}:{key}"] = _quoted(value)
    try:
        write_atomically(path, _dumped(document))
    except OSError as error:
        raise StackError(
            f"the file cannot be written: {error.strerror}",
            where=str(path),
            next_command="make room or give yourself write access there, then the same command again",
        ) from None


def put_back(path: Path, original: bytes) -> None:
    """Restore the stack file to `original`, but keep the secrets that it has now, and their encryption key.

    A failed deployment may have added secrets and created resources with them, such as a server.
    """
    try:
        now = _load(path, _yaml().load)
    except (UsageError, OSError):
        now = {}
    secrets = (now.get("config") or {}).get(f"{PROJECT}:{SECRETS}")
    document = _yaml().load(original) or {}
    if document.get("config") is None:
        document["config"] = {}
    if secrets is None or secrets == document["config"].get(f"{PROJECT}:{SECRETS}"):
        write_atomically(path, original)
        return
    document["config"][f"{PROJECT}:{SECRETS}"] = secrets
    document |= {key: now[key] for key in _TOP_LEVEL - {"config"} if key in now}
    write_atomically(path, _dumped(document))


def _dumped(document: Any) -> bytes:
    stream = BytesIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    """Return the value with quotes around texts that YAML parsers would read differently without them, such as `no`."""
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_quoted(entry) for entry in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and _NOT_TEXT.fullmatch(value) else value


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 200
    yaml.preserve_quotes = True
    return yaml


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Parse YAML for reading only; cached, because one command reads its stack file about eight times."""
    _refuse_ambiguous(text)
    return _yaml().load(text)


def _refuse_ambiguous(text: str) -> None:
    """Refuse tags, anchors, and values that YAML parsers read differently, such as 010, 1e3, yes or an unquoted date.

    Raises:
        YAMLError: the text contains one of these; the message has its line.
    """
    for event in _yaml().parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise YAMLError(f"line {line} has an anchor, an alias or a tag, which are not supported here")
        if not isinstance(event, ScalarEvent) or event.style is not None:
            continue
        value = event.value
        if _NOT_TEXT.fullmatch(value) and value not in ("true", "false") and not _NUMBER.fullmatch(value):
            raise YAMLError(f"line {line}: YAML parsers read {value} differently, put it in quotes")


def _load(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(names(path.parent)) or "none"
        raise UsageError(
            f"there is no stack file {path.name}, stacks here: {known}",
            next_command=f"{_ANOTHER}, or create it: {_creation(path)}",
        ) from None
    except (YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        reason = getattr(error, "problem", None) or getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise _wrong(path.name, f"the file cannot be read: {' '.join(str(reason).split())}") from None
    if not isinstance(document, Mapping):
        raise _wrong(path.name, "the file has no settings")
    return document


def _wrong(name: str, what: str) -> UsageError:
    return UsageError(what, where=name, next_command=f"correct {name}")


def _creation(path: Path) -> str:
    """Return the command that creates a stack file for this machine's Docker, with ports other than the dev stack's."""
    settings = {"host": "local", "httpPort": 8081, "httpsPort": 8444}
    lines = "".join(rf"  {PROJECT}:{key}: {value}\n" for key, value in settings.items())
    return rf"printf 'config:\n{lines}' > {shlex.quote(os.path.relpath(path))}"


def _plain(value: Any) -> Any:
    """Return a float as text, because money must never be a float; return any other value unchanged."""
    return str(value) if isinstance(value, float) else value
