"""What the plugins do when the engine that started them is gone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.5


def leave_with_engine(before: Callable[[], None] = lambda: None) -> None:
    """End this process soon after its parent died: a killed deployment must not go on making things.

    Args:
        before: called first, for example to end what this process started.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        try:
            before()
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="engine-watch", daemon=True).start()
