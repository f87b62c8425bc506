"""A headless Chromium, driven over HTTP as the WebDriver standard says: no other package than an HTTP client is needed."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of a reference to an element (WebDriver, section 12)."""
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--proxy-server=direct://",
]


class Browser:
    """One window; `session` is a client whose base is the session's address."""

    def __init__(self, session: httpx.Client) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._call("url", url=url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run a function's body in the page, and return what it returns."""
        return self._call("execute/sync", script=script, args=list(arguments))

    def until(self, condition: str, *arguments: object) -> Any:
        """Return the value of an expression once it is truthy, looked at with every frame that the page draws."""
        script = f"""
            const done = arguments[arguments.length - 1], given = Array.from(arguments).slice(0, -1);
            const value = (...arguments) => {condition};
            const look = () => {{ const now = value(...given); now ? done(now) : setTimeout(look, 30); }};
            look();
        """
        return self._call("execute/async", script=script, args=list(arguments))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input, as a person does."""
        element = self._call("element", using="css selector", value=selector)[_ELEMENT]
        self._call(f"element/{element}/value", text=str(path))

    def click(self, selector: str) -> None:
        element = self._call("element", using="css selector", value=selector)[_ELEMENT]
        self._call(f"element/{element}/click")

    def screenshot(self, path: Path, width: int, height: int) -> None:
        self._call("window/rect", width=width, height=height)
        answer = self._session.get("screenshot").raise_for_status()
        path.write_bytes(base64.b64decode(answer.json()["value"]))

    def errors(self) -> list[str]:
        """Return what the page has complained of in its console since it was asked last."""
        return [entry["message"] for entry in self._call("se/log", type="browser") if entry["level"] == "SEVERE"]

    def _call(self, command: str, **parameters: object) -> Any:
        answer = self._session.post(command, json=parameters)
        value = answer.json()["value"]
        assert answer.is_success, value
        return value


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile; the test is skipped where Chromium or its driver is missing."""
    driver = shutil.which("chromedriver")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not driver or not browser:
        pytest.skip("Chromium and chromedriver are not installed: apt-get install chromium chromium-driver")
    with subprocess.Popen(
        [driver, "--port=0"], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with httpx.Client(base_url=_address(process), timeout=60, trust_env=False) as client:
                options = {"binary": browser, "args": [*_ARGUMENTS, f"--user-data-dir={profile}"]}
                wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
                began = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
                client.base_url = client.base_url.join(f"/session/{began['sessionId']}/")
                client.post("timeouts", json={"script": 45_000})
                try:
                    yield Browser(client)
                finally:
                    client.delete(str(client.base_url).rstrip("/")).raise_for_status()
        finally:
            process.terminate()
            process.wait(20)


def _address(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout
    for line in driver.stdout:
        if found := re.search(r"successfully on port (\d+)", line):
            return f"http://127.0.0.1:{found[1]}"
    raise AssertionError("chromedriver ended")
