"""The sources of the project: the extractors that `meltano.yml` declares, and the entities of those that read files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

import yaml

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.paths import MELTANO_PROJECT

PROJECT_FILE = MELTANO_PROJECT / "meltano.yml"
UPLOADS = "uploads"
"""Folder in the landing folder for files of `fds run --csv`; no entity reads it."""
_FILE_SETTINGS = {"entities", "quarantine_dir", "report_path"}
"""An extractor with these settings reads files of the landing folder and reports its counts, as tap-csv does."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


@dataclass(frozen=True)
class Source:
    """One extractor.

    Args:
        entities: the entities as declared, if it reads files; None for any other extractor.
        installation: everything that its installation depends on.
    """

    name: str
    entities: tuple[Mapping[str, Any], ...] | None
    installation: Mapping[str, Any]

    @property
    def environment_prefix(self) -> str:
        """What Meltano puts before the names of its settings in the environment."""
        return re.sub(r"[^A-Za-z0-9]", "_", self.name).upper()


@dataclass(frozen=True)
class Selection:
    """What one run loads: sources, and the files of each entity of those that read files."""

    sources: tuple[Source, ...]
    files: Mapping[str, tuple[Path, ...]]
    """By the name of the entity."""
    unclaimed: tuple[tuple[Path, str], ...] = ()
    """Files of the landing folder that no entity reads, each with the reason."""

    def only(self, name: str) -> Selection:
        """Return what this selection loads of the source `name`; files without an entity go with the first source."""
        first = self.sources[:1] and self.sources[0].name == name
        sources = tuple(source for source in self.sources if source.name == name)
        return Selection(sources, self.files, self.unclaimed if first else ())

    def of(self, source: Source) -> list[tuple[Mapping[str, Any], tuple[Path, ...]]]:
        """The entities of `source` that have files."""
        return [(entity, found) for entity in source.entities or () if (found := self.files.get(entity["entity"]))]


def declared_sources(file: Path = PROJECT_FILE) -> tuple[Source, ...]:
    """Return all extractors of the project, in their order.

    Raises:
        UsageError: the file cannot be read, or an extractor is not well declared.
    """
    plugins = {str(plugin.get("name")): plugin for plugin in _plugins(file, "extractors")}
    sources = tuple(_source(name, plugins, file) for name in plugins)
    if not sources:
        raise UsageError("no extractor is declared", where=str(file), next_command="add one below plugins, extractors")
    names = [entity["entity"].lower() for source in sources for entity in source.entities or ()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"entity {twice[0]} is declared twice", where=str(file), next_command="rename one of them")
    return sources


def declared_loaders(file: Path = PROJECT_FILE) -> list[Mapping[str, Any]]:
    """Return the loaders of the project as declared."""
    return _plugins(file, "loaders")


def select_sources(sources: Sequence[Source], name: str | None) -> tuple[Source, ...]:
    """Return the source `name`, or all.

    Raises:
        UsageError: there is no such source.
    """
    found = tuple(source for source in sources if name in (None, source.name))
    if not found:
        known = ", ".join(source.name for source in sources)
        raise UsageError(f"no source {name} is declared", where=PROJECT_FILE.name, next_command=f"name one of {known}")
    return found


def select_entity(sources: Sequence[Source], entity: str | None) -> tuple[Source, str]:
    """Return the source of `entity`, which may be left out if only one is declared, and its name.

    Raises:
        UsageError: there is no such entity, or several to choose from.
    """
    known = {str(item["entity"]): source for source in sources for item in source.entities or ()}
    if entity is None and len(known) == 1:
        entity = next(iter(known))
    if entity is None or entity not in known:
        what = f"no entity {entity} is declared" if entity else "a CSV file needs the entity that it belongs to"
        choice = f"add --entity with one of {', '.join(known)}" if known else "declare an entity in meltano.yml"
        raise UsageError(what, where=PROJECT_FILE.name, next_command=choice)
    return known[entity], entity


def select_landed(declared: Sequence[Source], landing: Path, name: str | None = None) -> Selection:
    """Assign the files of the landing folder to the entities of all `declared` sources, by the paths that these have.

    Args:
        name: select this source alone; files that no entity reads are then nobody's concern.

    Raises:
        UsageError: there is no such source.
    """
    sources = select_sources(declared, name)
    files: dict[str, list[Path]] = {}
    unclaimed: list[tuple[Path, str]] = []
    entities = [entity for source in declared for entity in source.entities or ()]
    for entity in entities:
        files[entity["entity"]] = [file for pattern in _patterns(entity) for file in _elsewhere(pattern)]
    for file in _landed(landing) if entities else ():
        takers = [entity["entity"] for entity in entities if _claims(entity, file.relative_to(landing))]
        if len(takers) == 1:
            files[takers[0]].append(file)
        else:
            who = f"the paths of {' and '.join(takers)} all match it" if takers else "the path of no entity matches it"
            unclaimed.append((file, who))
    return Selection(
        tuple(
            source for source in sources if source.entities is None or any(files[e["entity"]] for e in source.entities)
        ),
        {name: tuple(dict.fromkeys(found)) for name, found in files.items()},
        () if name else tuple(unclaimed),
    )


def _plugins(file: Path, kind: str) -> list[Mapping[str, Any]]:
    try:
        project = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = (project.get("plugins") or {}).get(kind) or []
    except (OSError, UnicodeError, yaml.YAMLError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"the project cannot be read: {reason}", where=str(file), next_command="correct it") from None
    if not isinstance(found, list) or not all(isinstance(plugin, dict) for plugin in found):
        raise UsageError(f"plugins, {kind} is not a list of plugins", where=str(file), next_command="correct it")
    return found


def _source(name: str, plugins: Mapping[str, Mapping[str, Any]], file: Path) -> Source:
    if not _NAME.fullmatch(name):
        raise UsageError(f"an extractor cannot be named {name[:80]!r}", where=str(file), next_command="rename it")
    chain = list(_ancestry(name, plugins, file))
    settings = {str(item.get("name")) for plugin in chain for item in plugin.get("settings") or () if item}
    installation = {
        key: next((plugin[key] for plugin in chain if key in plugin), None)
        for key in ("pip_url", "executable", "namespace", "variant", "python")
    }
    if not settings >= _FILE_SETTINGS:
        return Source(name, None, installation)
    configured: list[Any] = [plugin["config"]["entities"] for plugin in chain if "entities" in plugin.get("config", {})]
    declared = configured[0] if configured else []
    if not isinstance(declared, list):
        raise UsageError(f"the entities of {name} are not a list", where=str(file), next_command="correct it")
    return Source(name, tuple(_entity(item, name, file) for item in declared), installation)


def _ancestry(name: str, plugins: Mapping[str, Mapping[str, Any]], file: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the plugin and those that it inherits from, the nearest first."""
    seen: set[str] = set()
    while name:
        if name in seen or name not in plugins:
            raise UsageError(f"inherit_from leads to no plugin {name}", where=str(file), next_command="correct it")
        seen.add(name)
        yield plugins[name]
        name = str(plugins[name].get("inherit_from") or "")


def _entity(item: object, source: str, file: Path) -> Mapping[str, Any]:
    name = item.get("entity") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str) or not _NAME.fullmatch(name) or name == UPLOADS:
        what = f"an entity of {source} needs a name of letters, digits, - and _ under `entity`"
        raise UsageError(what, where=str(file), next_command="correct it")
    return item


def _patterns(entity: Mapping[str, Any]) -> Iterable[str]:
    """The globs of an entity with their variables replaced; its own folder in the landing folder if it has none."""
    paths = entity.get("paths") or ([entity["path"]] if entity.get("path") else [])
    variables = {"MELTANO_PROJECT_ROOT": str(MELTANO_PROJECT), **os.environ}
    for path in paths or [f"{entity['entity']}/*"]:
        yield re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], found[0]), str(path))


def _elsewhere(pattern: str) -> Iterator[Path]:
    """Files of a glob that is absolute."""
    if PurePath(pattern).is_absolute():
        root = Path(PurePath(pattern).anchor)
        yield from (file for file in sorted(root.glob(pattern.lstrip("/"))) if file.is_file())


def _claims(entity: Mapping[str, Any], file: PurePath) -> bool:
    """Whether a glob of `entity` matches `file` (relative to the landing folder); `EXPORT.CSV` matches `*.csv`."""
    for pattern in map(PurePath, _patterns(entity)):
        if len(pattern.parts) == len(file.parts) and all(
            fnmatchcase(part.lower(), wanted.lower())
            for part, wanted in zip(file.parts, pattern.parts, strict=True)
        ):  # fmt: skip
            return True
    return False


def _landed(landing: Path) -> list[Path]:
    """All files in the landing folder by name, less hidden ones and uploads."""
    found = (file for file in sorted(landing.rglob("*")) if file.is_file())
    return [
        file
        for file in found
        if (parts := file.relative_to(landing).parts)[0] != UPLOADS and not any(part[0] == "." for part in parts)
    ]
