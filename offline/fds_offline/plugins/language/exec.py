"""Run one Pulumi program in its virtualenv, connected to the engine.

The language host starts this file with the interpreter of the program's virtualenv, so this file may import only the
standard library and Pulumi's SDK.
"""

import argparse
import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pulumi.runtime

SHOWN_EXIT_CODE = 32


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a Pulumi program")
    for name in ("project", "root_directory", "stack", "dry_run", "pwd", "monitor", "engine", "tracing"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parallel", type=int, default=0)
    parser.add_argument("--organization")
    parser.add_argument("PROGRAM")
    parser.add_argument("ARGS", nargs="*")
    return parser.parse_args()


def _own_part(program: str) -> str:
    """Return the current traceback without the frames before the program's first frame.

    If the traceback has no frame of the program, return the whole traceback.
    """
    frames = traceback.extract_tb(sys.exc_info()[2])
    start = Path(program).resolve()
    mains = (start, start / "__main__.py")
    first = next((index for index, frame in enumerate(frames) if Path(frame.filename).resolve() in mains), 0)
    return traceback.format_exc(limit=first - len(frames))


def _connect(given: argparse.Namespace) -> None:
    """Configure the SDK for the current deployment."""
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=given.project,
            stack=given.stack,
            parallel=given.parallel,
            engine=given.engine,
            monitor=given.monitor,
            dry_run=given.dry_run == "true",
            organization=given.organization,
            root_directory=given.root_directory,
        )
    )


def main() -> int:
    """Run the program and return the exit code."""
    given = _arguments()
    _connect(given)
    sys.argv = [given.PROGRAM, *given.ARGS]
    if given.pwd:
        os.chdir(given.pwd)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    workers = ThreadPoolExecutor(max_workers=max(given.parallel, 1) * 4)
    loop.set_default_executor(workers)
    # Silence the log of asyncio. After a failure, it would report each output of the program that was not awaited.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    def program() -> None:
        runpy.run_path(given.PROGRAM, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(program))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:  # a user's program can raise anything
        pulumi.log.error("Program failed with an unhandled exception:\n" + _own_part(given.PROGRAM))
        return SHOWN_EXIT_CODE
    finally:
        workers.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
