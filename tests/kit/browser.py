"""Run the Chromium package of the Linux distribution headless, for tests of web pages."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1360,1800",
    "--ignore-certificate-errors",
)  # fmt: skip

NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
ATTEMPTS = 5


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Yield a browser with the new profile folder `profile`; skip the test if Chromium cannot be installed."""
    if not _is_installed() and not _install():
        pytest.skip("chromium and chromedriver are missing and could not be installed from the distribution")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def despite_network_changes(browser: webdriver.Chrome, action: Callable[[], None]) -> list[str]:
    """Run `action`, repeat it if it failed because the network changed, and return the messages in the browser's log.

    A container that starts or stops changes the network interfaces, and Chromium then drops all requests.
    """
    messages: list[str] = []
    for _ in range(ATTEMPTS):
        before = len(messages)
        try:
            action()
        except WebDriverException as error:
            messages += [entry["message"] for entry in browser.get_log("browser")]
            if not any(NETWORK_CHANGED in text for text in (str(error), browser.page_source, *messages[before:])):
                error.add_note("\n".join([browser.current_url, *messages]))
                raise
        else:
            return messages + [entry["message"] for entry in browser.get_log("browser")]
    raise AssertionError(f"the machine's network changed during {ATTEMPTS} attempts")


def _is_installed() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def _install() -> bool:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium", "chromium-driver"]
    subprocess.run(["apt-get", "update", "--quiet"], check=False, capture_output=True)
    return subprocess.run(command, check=False, capture_output=True).returncode == 0 and _is_installed()
