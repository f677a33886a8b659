"""Run the real dashboard on a test folder, behind the stack's proxy, and open it in Chromium."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from infra.services.traefik import HTTPS
from stack_runtime.pipeline.paths import beside
from stack_runtime.pipeline.records import Records
from stack_runtime.planned_cost import FILE as PLAN
from tests.kit.browser import NETWORK_CHANGED, chromium, despite_network_changes
from tests.kit.ports import free_port
from tests.kit.service import created
from tests.kit.warehouse import PROJECT, Warehouse

APP = PROJECT.parent / "streamlit"
TIMEOUT_S = 60
MISSING_PART = "Failed to fetch dynamically imported module"
"""Text that the app shows in place of a part that could not be loaded."""


@dataclass(frozen=True)
class Dashboard:
    """The app in a browser; the app reads the file `published`."""

    published: Path
    url: str
    browser: webdriver.Chrome
    pages: Path
    """Folder with the pages of the user's project."""
    reported: list[str] = field(default_factory=list)
    """Messages collected so far from the browser's console."""

    def publish(self, warehouse: Warehouse) -> None:
        """Publish a copy of the warehouse by one rename, as the pipeline does."""
        shutil.copy(warehouse.path, self.published.with_suffix(".new"))
        self.published.with_suffix(".new").replace(self.published)

    @property
    def records(self) -> Records:
        paths = beside(self.published)
        paths.make()
        return Records(paths, None)

    def messages(self) -> list[str]:
        """Add the browser's new console messages to `reported` and return this list; callers may clear it."""
        self.reported.extend(entry["message"] for entry in self.browser.get_log("browser"))
        return self.reported

    def open(self, page: str = "") -> None:
        self.load(f"{self.url}/{page}", '[data-testid="stApp"]')

    def load(self, url: str, selector: str) -> None:
        """Load a document and wait for an element in it; load it again if the machine's network changes meanwhile."""

        def look() -> None:
            before = len(self.messages())

            def lost_requests() -> bool:
                return any(NETWORK_CHANGED in text for text in (self.browser.page_source, *self.messages()[before:]))

            self.browser.get(url)
            self.wait(lambda: lost_requests() or self.browser.find_elements(By.CSS_SELECTOR, selector))
            if lost_requests():
                raise WebDriverException(f"{NETWORK_CHANGED}, {url} is not complete")

        self.reported.extend(despite_network_changes(self.browser, look))

    def wait(self, answer: Callable[[], object]) -> None:
        """Wait until `answer` returns true; exceptions are ignored, because a redraw can remove an element.

        If a part of the page is missing because the machine's network changed, the page is loaded again.
        """

        def is_met(_: object) -> object:
            if any(NETWORK_CHANGED in text for text in self.messages()) and MISSING_PART in self.browser.page_source:
                self.browser.refresh()
            return answer()

        waiting = WebDriverWait(self.browser, TIMEOUT_S, poll_frequency=0.1, ignored_exceptions=[Exception])
        try:
            waiting.until(is_met)
        except TimeoutException:
            said = f"the page shows: {self.text()}\nthe browser reported: {self.messages()[-5:]}"
            raise AssertionError(f"not found within {TIMEOUT_S} s; {said}") from None

    def text(self) -> str:
        """Return the visible text of the page and the values of its input fields."""
        boxes = "return [...document.querySelectorAll('input')].map(box => box.value).join('\\n')"
        return f"{self.browser.find_element(By.TAG_NAME, 'body').text}\n{self.browser.execute_script(boxes)}"

    def wait_for_text(self, *texts: str) -> None:
        self.wait(lambda: all(text in self.text() for text in texts))

    def metrics(self) -> dict[str, str]:
        """Return the value of each metric on the page, by the label of the metric."""
        found = self.browser.find_elements(By.CSS_SELECTOR, '[data-testid="stMetric"]')
        label, value = '[data-testid="stMetricLabel"]', '[data-testid="stMetricValue"]'
        return {
            metric.find_element(By.CSS_SELECTOR, label).text: metric.find_element(By.CSS_SELECTOR, value).text
            for metric in found
        }

    def wait_for_metrics(self, **metrics: str) -> None:
        """Wait until the page shows these metrics; each keyword is the label of a metric, with `_` for a space."""
        wanted = {label.replace("_", " "): value for label, value in metrics.items()}
        self.wait(lambda: wanted.items() <= self.metrics().items())

    def cells(self) -> list[list[str]]:
        """Return the first rows of the first table, from the HTML table that its canvas contains for screen readers."""
        script = """
            const table = document.querySelector('[data-testid="stDataFrame"] [role="grid"]');
            return [...table.querySelectorAll('tbody tr')].map(
                row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"""
        found: list[list[str]] = self.browser.execute_script(script)
        return found

    def choose(self, label: str, value: str) -> None:
        found = (By.CSS_SELECTOR, f'input[aria-label*="{label}"]')
        self.wait(lambda: self.browser.find_element(*found).is_enabled())
        self.browser.find_element(*found).send_keys(Keys.CONTROL, "a", Keys.NULL, value, Keys.ENTER)

    def press(self, label: str) -> None:
        """Press a button once the page is complete, because Streamlit replaces elements while its script runs."""
        complete = (By.CSS_SELECTOR, '[data-testid="stApp"][data-test-script-state="notRunning"]')
        self.wait(lambda: self.browser.find_element(*complete))
        found = (By.XPATH, f"//button[normalize-space()='{label}']")
        self.wait(lambda: self.browser.find_element(*found).is_enabled())
        self.browser.find_element(*found).click()


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("dbt")
    return Warehouse(folder / "work.duckdb", folder / "target")


@pytest.fixture(scope="package")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    published = folder / "published" / "warehouse.duckdb"
    published.parent.mkdir()
    project = folder / "project"
    pages = project / "data_stack" / "dashboards"
    pages.mkdir(parents=True)
    (project / "Pulumi.yaml").touch()
    # Copy the configuration of Streamlit, because Streamlit reads it from the working directory.
    shutil.copytree(APP / ".streamlit", project / ".streamlit")
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FDS_")}
    environment |= {"FDS_PUBLISHED": str(published), "FDS_PLANNED_COST": str(published.with_name(PLAN))}
    with chromium(folder / "profile") as browser, (folder / "log").open("wb") as log, _proxy(port) as (url, login):
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(APP / "app.py"), f"--server.port={port}"],
            cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _until_healthy(f"http://127.0.0.1:{port}/_stcore/health", process)
            found = Dashboard(published, f"https://{url}", browser, pages)
            found.load(f"https://{login}@{url}/favicon.png", "img")  # the browser keeps this login
            yield found
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def _proxy(port: int) -> Iterator[tuple[str, str]]:
    """Start the stack's proxy in front of an app on a local `port`; yield the proxy's host and port, and the login."""
    own = free_port()
    ports = {f"{HTTPS}/tcp": ("127.0.0.1", own)}
    with created("traefik", {"httpsPort": own}, ports=ports, extra_hosts={"streamlit": "host-gateway"}) as running:
        routes = {file.name: file.content(running.context) for file in running.service.files}["routes.yml"]
        assert "http://streamlit:8501" in routes
        running.deliver({"routes.yml": routes.replace("http://streamlit:8501", f"http://streamlit:{port}")})
        running.container.start()
        assert running.becomes_healthy(), running.logs()
        yield f"dashboard.localhost:{own}", f"admin:{running.context.secrets['ui_password']}"


@pytest.fixture(autouse=True)
def nothing_refused(dashboard: Dashboard) -> Iterator[None]:
    """Check that no page made a request that its Content-Security-Policy or the proxy's rate limit blocked."""
    yield
    messages = dashboard.messages()
    refusals = ("Content Security Policy", "with a status of 429")  # the number 429 alone may be part of a file name
    assert not [line for line in messages if any(refusal in line for refusal in refusals)]
    messages.clear()


@pytest.fixture(autouse=True)
def nothing_published(dashboard: Dashboard) -> Iterator[None]:
    yield
    dashboard.open("about")  # leave the page that the test opened, because it polls the files that are deleted below
    for entry in dashboard.published.parent.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the dashboard did not become healthy")
