"""Show the documentation of the dbt models: descriptions, columns, tests and lineage.

The pipeline publishes one HTML file. The page's Content-Security-Policy allows no inline script, so the file is split
into a document and a script, which Streamlit serves as the files of a component.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import streamlit as st
from streamlit.components.v1 import declare_component

from data_stack.streamlit import warehouse
from stack_runtime.errors import UnreachableError
from stack_runtime.pipeline.paths import docs_of

_HEIGHT = 900
_NAME = "models_documentation"
_OPEN, _CLOSE = '<script defer="defer">', "</script>"


def show() -> None:
    """Show the page."""
    file = docs_of(warehouse.path())
    try:
        found = file.stat()
        folder, digest = _unpacked(file, (found.st_ino, found.st_mtime_ns, found.st_size))
    except FileNotFoundError:
        st.info("The next `fds run` publishes the documentation of the models.", icon=":material/hourglass_empty:")
        return
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"the documentation of the models cannot be read: {str(error)[:200]}",
            where=str(file),
            next_command="fds run",
        ) from None
    component = declare_component(_NAME, path=folder)
    st.iframe(f"/component/{component.name}/{digest}.html", height=_HEIGHT, alt="Documentation of the models")


@st.cache_resource(max_entries=1, show_spinner=False)
def _unpacked(file: Path, version: warehouse.Version) -> tuple[str, str]:
    """Write document and script of `file` into a folder.

    Args:
        version: the version of `file`; the cached result is used until it changes.

    Returns: the folder, and the document's name without extension. The name is a digest of the content, so that a
        browser cannot show an old document from its cache.
    Raises:
        OSError: `file` cannot be read.
        ValueError: `file` has no script, or more than one script.
    """
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    before, script, after = _split(content.decode("utf-8"))
    folder = _folder()
    for old in folder.iterdir():
        old.unlink()
    (folder / f"{digest}.js").write_text(script, encoding="utf-8")
    document = f'{before}<script defer="defer" src="{digest}.js">{_CLOSE}{after}'
    # Add an attribute that keeps Angular from testing whether it may compile code, because the Content-Security-Policy
    # refuses this test.
    document = document.replace("<html ", '<html ng-csp="no-unsafe-eval" ', 1)
    (folder / f"{digest}.html").write_text(document, encoding="utf-8")
    return str(folder), digest


@st.cache_resource(show_spinner=False)
def _folder() -> Path:
    """Return the temporary folder of this process, from which Streamlit serves document and script."""
    return Path(tempfile.mkdtemp(prefix="fds-models-"))


def _split(page: str) -> tuple[str, str, str]:
    """Return the text before, in and after the only script of a page."""
    before, opened, rest = page.partition(_OPEN)
    script, closed, after = rest.partition(_CLOSE)
    if not opened or not closed or "<script" in before + after:
        raise ValueError("it is not a page of dbt with one script")
    return before, script, after
