"""Generate mixes: random settings, each written in an allowed form or in a form that only the Pulumi engine reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.kit.project import ROOT, Project

VALUES = {
    "serverType": ("cpx22", "cpx32", "ccx33", "auto"),
    "location": ("fsn1", "nbg1", "hel1"),
    "budgetUsd": ("40", "60", "0100", "1e3", "5000"),
    "volumeGb": ("10", "20", "0o24", "1_0"),
    "backups": ("true", "false", "yes"),
    "fxDate": ("2026-11-20", "2026-11-21"),
}
OWN = "freelancer-data-stack"


@dataclass
class Mix:
    """One random combination of settings: the lines that it adds to each file, and options of the `pulumi` command.

    `sources` names for each setting the form in which it is written. `stack_lines` are lines of the stack file below
    `config:`, and `top_level` the lines after them. `project_lines` belong in `Pulumi.yaml`, and `other_file` in a
    second stack file.
    """

    sources: list[str] = field(default_factory=list)
    stack_lines: list[str] = field(default_factory=list)
    top_level: list[str] = field(default_factory=list)
    project_lines: list[str] = field(default_factory=list)
    other_file: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def write(self, project: Project, base: str) -> None:
        """Write the files; `base` is the text of the stack file without the settings of the mix."""
        text = (
            base + "".join(f"  {line}\n" for line in self.stack_lines) + "".join(f"{one}\n" for one in self.top_level)
        )
        project.stack_file.write_text(text)
        own = (ROOT / "Pulumi.yaml").read_text()
        (project.folder / "Pulumi.yaml").write_text(own + "".join(f"{line}\n" for line in self.project_lines))
        folder = project.folder / "elsewhere"
        folder.mkdir(exist_ok=True)
        other = base + "".join(f"  {line}\n" for line in self.other_file)
        (folder / project.stack_file.name).write_text(other)


SettingWriter = Callable[[Mix, str, str], None]
SOURCES: dict[str, SettingWriter] = {}
ALLOWED = ("quoted", "plain")


def _source(function: SettingWriter) -> SettingWriter:
    SOURCES[function.__name__.strip("_")] = function
    return function


@_source
def _quoted(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f'{OWN}:{key}: "{value}"')


@_source
def _plain(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f"{OWN}:{key}: {value}")


@_source
def _bare(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f'{key}: "{value}"')


@_source
def _old_namespace(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f'{OWN}:config:{key}: "{value}"')


@_source
def _tagged(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f"{OWN}:{key}: !!str {value}")


@_source
def _anchored(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f'{OWN}:{key}: &same "{value}"')


@_source
def _project_default(mix: Mix, key: str, value: str) -> None:
    mix.project_lines += [*([] if "config:" in mix.project_lines else ["config:"]), f'  {key}: "{value}"']


@_source
def _project_value(mix: Mix, key: str, value: str) -> None:
    head = [] if "config:" in mix.project_lines else ["config:"]
    mix.project_lines += [*head, f"  {OWN}:{key}:", f'    value: "{value}"']


@_source
def _config_file(mix: Mix, key: str, value: str) -> None:
    mix.other_file.append(f'{OWN}:{key}: "{value}"')
    mix.arguments.append("--config-file")


@_source
def _stack_config_dir(mix: Mix, key: str, value: str) -> None:
    mix.other_file.append(f'{OWN}:{key}: "{value}"')
    if "stackConfigDir: elsewhere" not in mix.project_lines:
        mix.project_lines.append("stackConfigDir: elsewhere")


@_source
def _environment(mix: Mix, key: str, value: str) -> None:
    mix.top_level += ["environment:", "  values:", "    pulumiConfig:", f'      {OWN}:{key}: "{value}"']


@_source
def _snake_case(mix: Mix, key: str, value: str) -> None:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
    mix.stack_lines.append(f'{OWN}:{snake}: "{value}"')


@_source
def _stack_key(mix: Mix, key: str, value: str) -> None:
    mix.stack_lines.append(f"{OWN}:stack: other")


def mix_of(chance: random.Random, keys: Sequence[str] = tuple(VALUES)) -> Mix:
    """Return a mix of one to four settings in random forms; about a third of the mixes use only allowed forms."""
    sources = list(ALLOWED) if chance.random() < 1 / 3 else list(SOURCES)
    mix = Mix()
    for _ in range(chance.randint(1, 4)):
        key, source = chance.choice(keys), chance.choice(sources)
        SOURCES[source](mix, key, chance.choice(VALUES[key]))
        mix.sources.append(f"{source} {key}")
    return mix
