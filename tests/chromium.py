"""A real Chromium without a screen, driven over its DevTools protocol."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from support import TIME_SCALE

LIMIT_S = 20 * TIME_SCALE


class Page:
    """A page in the browser.

    Attributes:
        events: what the browser told by itself, of what was enabled.
    """

    def __init__(self, channel: ClientConnection) -> None:
        self._channel = channel
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self.call("Page.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._number += 1
        self._channel.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        until = time.monotonic() + LIMIT_S
        while True:
            told = json.loads(self._channel.recv(timeout=max(until - time.monotonic(), 0.01)))
            if told.get("id") == self._number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def open(self, url: str) -> None:
        """Go there, and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState == 'complete' && location.href != 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """What JavaScript says."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until JavaScript says so."""
        until = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(AssertionError):  # while a page goes and another comes
                if self.evaluate(script):
                    return
            assert time.monotonic() < until, script
            time.sleep(0.05)

    @property
    def text(self) -> str:
        """What a person reads."""
        return str(self.evaluate("document.body.innerText"))

    def press(self, key: str, code: int, *, shift: bool = False) -> None:
        """Press a key, as a person does."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=8 * shift,
                **({"text": text} if text and kind == "keyDown" else {}),
            )  # fmt: skip

    def take_picture(self, width: int, height: int, *, dark: bool = False) -> bytes:
        """A screenshot, PNG."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def run_chromium() -> Iterator[Page]:
    """A page in a new browser; where there is none the test is skipped, and fails in CI."""
    program = shutil.which("chromium")
    if program is None:
        message = "the real Chromium is not installed"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="hlcr-"))
    with open(folder / "log", "wb") as log:
        browser = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}",
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(folder)},
        )  # fmt: skip
    try:
        port = _wait_port(folder, browser)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=LIMIT_S) as answer:
            [url] = [entry["webSocketDebuggerUrl"] for entry in json.load(answer) if entry["type"] == "page"]
        with connect(url, max_size=None, compression=None, proxy=None) as channel:
            yield Page(channel)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_port(folder: Path, browser: "subprocess.Popen[bytes]") -> int:
    until = time.monotonic() + LIMIT_S
    file = folder / "DevToolsActivePort"
    while not (file.exists() and file.read_text().count("\n") >= 1):
        assert browser.poll() is None and time.monotonic() < until, (folder / "log").read_text(errors="replace")
        time.sleep(0.05)
    return int(file.read_text().splitlines()[0])
