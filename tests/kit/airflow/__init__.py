"""Run a real Airflow for tests, with its packages in `.venvs/airflow` and its own database and folder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from stack_runtime.uv import uv
from tests.kit.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ENVIRONMENT = ROOT / ".venvs" / "airflow"
PASSWORD = "secret-of-the-test"


@dataclass
class Airflow:
    """A real Airflow with the DAGs in `tests/kit/airflow/dags`, which runs inside a `with` block.

    Args:
        folder: an empty folder for the database and the files of Airflow.
    """

    folder: Path
    user: str = "agent"
    url: str = field(init=False)

    def __enter__(self) -> Airflow:
        _install()
        self.url = f"http://127.0.0.1:{free_port()}"
        (self.folder / "passwords.json").write_text(json.dumps({self.user: PASSWORD, "reader": PASSWORD}))
        subprocess.run([ENVIRONMENT / "bin" / "airflow", "db", "migrate"], env=self._environment(), check=True,
                       capture_output=True)  # fmt: skip
        self._log = (self.folder / "standalone.log").open("wb")
        self._process = subprocess.Popen(
            [ENVIRONMENT / "bin" / "airflow", "standalone"],
            env=self._environment(), stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for how, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
            os.killpg(self._process.pid, how)
            try:
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        self._log.close()

    def _wait(self) -> None:
        end = time.monotonic() + 180
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urlopen(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                    health = json.load(answer)
                if all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor")):
                    return
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.5)
        raise AssertionError(f"Airflow did not start: {(self.folder / 'standalone.log').read_text()[-2000:]}")

    def _environment(self) -> dict[str, str]:
        settings = {
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(HERE / "dags"),
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__PARALLELISM": "2",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.user}:user,reader:viewer",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "API__HOST": "127.0.0.1",
            "API__PORT": self.url.rpartition(":")[2],
            "API__BASE_URL": f"{self.url}/",
            "API__WORKERS": "1",
        }
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON", "VIRTUAL"))
        }
        return {
            **clean,
            **{f"AIRFLOW__{key}": value for key, value in settings.items()},
            "AIRFLOW_HOME": str(self.folder),
            "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        }


def _install() -> None:
    """Install the locked dependency group `airflow` with the command that the Airflow image uses.

    A file lock lets only one process install at a time.
    """
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with (ENVIRONMENT.parent / "airflow.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [*uv(), "sync", "--frozen", "--only-group", "airflow", "--no-install-project", "--compile-bytecode",
             "--python", sys.executable],
            cwd=ROOT, check=True, capture_output=True, env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT)},
        )  # fmt: skip
