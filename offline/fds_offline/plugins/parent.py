"""End a plugin when the Pulumi engine that started it has ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.5


def leave_with_engine(before: Callable[[], None] = lambda: None) -> None:
    """Start a thread that ends this process soon after its parent, the engine, has ended.

    Otherwise, a plugin would continue to create resources after the deployment was killed.

    Args:
        before: function to call before this process ends, for example to end child processes.
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
