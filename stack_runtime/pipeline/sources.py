"""Read the extractors and their entities from `meltano.yml`, and assign the files of the landing folder to entities."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any, NoReturn

import yaml

from stack_runtime.content import meltano_project
from stack_runtime.errors import UsageError
from stack_runtime.pipeline.landing import UPLOADS, Refusal, landed_files, partition

PROJECT_FILE = "meltano.yml"
_FILE_SETTINGS = {"entities", "quarantine_dir", "report_path"}
"""Settings that an extractor has if it reads files of the landing folder and reports counts, as tap-csv does."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


@dataclass(frozen=True)
class Source:
    """One extractor.

    Args:
        entities: the declared entities of an extractor that reads files; None for other extractors.
        installation: the settings that determine what is installed for the extractor, such as `pip_url`.
    """

    name: str
    entities: tuple[Mapping[str, Any], ...] | None
    installation: Mapping[str, Any]

    @property
    def environment_prefix(self) -> str:
        """Prefix of the environment variables for the extractor's settings in Meltano."""
        return re.sub(r"[^A-Za-z0-9]", "_", self.name).upper()


@dataclass(frozen=True)
class Selection:
    """Sources and files that one run loads."""

    sources: tuple[Source, ...]
    files: Mapping[str, tuple[Path, ...]]
    """Files to load, by name of the entity."""
    unclaimed: tuple[Refusal, ...] = ()
    """Files and folders that the run does not load, each with the reason.

    Such a file belongs to no entity or to several, or it cannot be loaded, as `landing` finds out.
    """

    def only(self, name: str) -> Selection:
        """Return the part of this selection that the source `name` loads.

        Only the part of the first source includes `unclaimed`, so that these files are reported once.
        """
        first = self.sources[:1] and self.sources[0].name == name
        sources = tuple(source for source in self.sources if source.name == name)
        return Selection(sources, self.files, self.unclaimed if first else ())

    def of(self, source: Source) -> list[tuple[Mapping[str, Any], tuple[Path, ...]]]:
        """Return each entity of `source` for which the selection has files, with those files."""
        return [(entity, found) for entity in source.entities or () if (found := self.files.get(entity["entity"]))]


def declared_sources(file: Path | None = None) -> tuple[Source, ...]:
    """Return all extractors of the project in the order of their declaration.

    Raises:
        UsageError: the file cannot be read, or declares no extractor or an invalid one.
    """
    file = file or meltano_project() / PROJECT_FILE
    plugins = {str(plugin.get("name")): plugin for plugin in _plugins(file, "extractors")}
    sources = tuple(_source(name, plugins, file) for name in plugins)
    if not sources:
        raise UsageError("no extractor is declared", where=str(file), next_command="add one below plugins, extractors")
    names = [entity["entity"].lower() for source in sources for entity in source.entities or ()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"entity {twice[0]} is declared twice", where=str(file), next_command="rename one of them")
    return sources


def declared_loaders() -> list[Mapping[str, Any]]:
    """Return the declarations of the project's loaders."""
    return _plugins(meltano_project() / PROJECT_FILE, "loaders")


def refuse_nothing_declared(sources: Sequence[Source]) -> None:
    """Refuse to run a new project, in which all sources read files and no entity is declared yet.

    Raises:
        UsageError: no entity is declared.
    """
    if all(source.entities == () for source in sources):
        raise UsageError(
            "no entity is declared yet",
            where=str(meltano_project() / PROJECT_FILE),
            next_command="declare one under `entities` of tap-csv, as README.md of the project shows",
        )


def select_sources(sources: Sequence[Source], name: str | None) -> tuple[Source, ...]:
    """Return the source `name`, or all sources if it is None.

    Raises:
        UsageError: there is no such source.
    """
    found = tuple(source for source in sources if name in (None, source.name))
    if not found:
        known = ", ".join(source.name for source in sources)
        raise UsageError(f"no source {name} is declared", where=PROJECT_FILE, next_command=f"name one of {known}")
    return found


def select_entity(sources: Sequence[Source], entity: str | None) -> tuple[Source, str]:
    """Return the source of `entity`, and the name of the entity.

    Args:
        entity: name of the entity; may be None if only one entity is declared.

    Raises:
        UsageError: the entity is unknown, or `entity` is None and the number of declared entities is not 1.
    """
    known = {str(item["entity"]): source for source in sources for item in source.entities or ()}
    if entity is None and len(known) == 1:
        entity = next(iter(known))
    if entity is None or entity not in known:
        what = f"no entity {entity} is declared" if entity else "the entity of the CSV file is not given"
        choice = f"add --entity with one of {', '.join(known)}" if known else "declare an entity in meltano.yml"
        raise UsageError(what, where=PROJECT_FILE, next_command=choice)
    return known[entity], entity


def select_landed(declared: Sequence[Source], landing: Path, name: str | None = None) -> Selection:
    """Select the files of each entity, and the sources that have something to load.

    A file of the landing folder belongs to an entity if it matches the path of this entity only. Files outside of the
    landing folder belong to the entities whose absolute paths they match. All other files of the landing folder, and
    all files that cannot be loaded, are `unclaimed`.

    Args:
        name: select at most this source, and leave `unclaimed` empty; None for all sources.

    Raises:
        UsageError: there is no such source.
    """
    sources = select_sources(declared, name)
    files: dict[str, list[Path]] = {}
    unclaimed: list[Refusal] = []
    entities = [entity for source in declared for entity in source.entities or ()]
    for entity in entities:
        found = [file for pattern in _patterns(entity) for file in _files_of_absolute(pattern)]
        files[entity["entity"]], refused = partition(file for file in found if not file.is_relative_to(landing))
        unclaimed += refused
    landed, refused = landed_files(landing) if entities else ([], [])
    unclaimed += refused
    for file in landed:
        takers = [entity["entity"] for entity in entities if _matches(entity, landing, file)]
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
        () if name else tuple(dict.fromkeys(unclaimed)),
    )


def refuse_empty(selection: Selection, landing: Path) -> NoReturn:
    """Refuse a landing folder in which no file belongs to an entity.

    Raises:
        UsageError: always; the message names the first file in the folder, if the folder has a file.
    """
    if not selection.unclaimed:
        raise UsageError("no CSV file in the landing folder", where=str(landing), next_command="fds run --csv FILE")
    file, why = selection.unclaimed[0]
    shown = file.relative_to(landing) if file.is_relative_to(landing) else file
    more = f", and {len(selection.unclaimed) - 1} more" if len(selection.unclaimed) > 1 else ""
    raise UsageError(
        f"no CSV file in the landing folder belongs to an entity: {shown}{more}: {why}",
        where=str(landing),
        next_command=f"move it, correct `path` of the entity in {PROJECT_FILE}, or fds run --csv FILE",
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
    """Yield the plugin `name`, then the plugin that it inherits from, until a plugin inherits from no other."""
    seen: set[str] = set()
    while name:
        if name in seen or name not in plugins:
            raise UsageError(f"inherit_from names no valid plugin: {name}", where=str(file), next_command="correct it")
        seen.add(name)
        yield plugins[name]
        name = str(plugins[name].get("inherit_from") or "")


def _entity(item: object, source: str, file: Path) -> Mapping[str, Any]:
    name = item.get("entity") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str) or not _NAME.fullmatch(name) or name == UPLOADS:
        what = f"an entity of {source} needs a name of letters, digits, - and _ under `entity`"
        raise UsageError(what, where=str(file), next_command="correct it")
    if not item.get("keys") and not item.get("generated_key"):
        raise UsageError(
            f"entity {name} has no key, so a file that is loaded again would add its rows a second time",
            where=str(file),
            next_command="declare keys: [COLUMN], or generated_key: NAME for a hash of the row",
        )
    return item


def _patterns(entity: Mapping[str, Any]) -> Iterable[str]:
    """Yield the globs of an entity, with variables replaced by their values; the default glob is `<entity>/*`."""
    paths = entity.get("paths") or ([entity["path"]] if entity.get("path") else [])
    variables = {"MELTANO_PROJECT_ROOT": str(meltano_project()), **os.environ}
    for path in paths or [f"{entity['entity']}/*"]:
        yield re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], found[0]), str(path))


def _files_of_absolute(pattern: str) -> Iterator[Path]:
    """Yield the files of an absolute glob; yield nothing for a relative glob."""
    if PurePath(pattern).is_absolute():
        root = Path(PurePath(pattern).anchor)
        yield from (file for file in sorted(root.glob(pattern.lstrip("/"))) if not os.path.isdir(file))  # noqa: PTH112


def _matches(entity: Mapping[str, Any], landing: Path, file: Path) -> bool:
    """Return whether a glob of `entity` matches `file`, a file in the landing folder; letter case is ignored."""
    globs = [PurePath(glob) for glob in _patterns(entity)]
    return any(
        _fits(_small((file if glob.is_absolute() else file.relative_to(landing)).parts), _small(glob.parts))
        for glob in globs
    )


def _small(parts: Sequence[str]) -> list[str]:
    return [part.lower() for part in parts]


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether the parts of a path match the parts of a glob; `**` matches any number of folders."""
    if not wanted or not parts:
        return not parts and not wanted
    if wanted[0] == "**":
        return len(wanted) == 1 or _fits(parts, wanted[1:]) or _fits(parts[1:], wanted)
    return fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])
