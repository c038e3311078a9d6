"""A headless Chromium that tests look at pages with: keys, sizes, light and dark, what it complains of, what it loads.

It is spoken to by Chromium's own protocol (https://chromedevtools.github.io/devtools-protocol/) over two pipes, so that
nothing has to be installed beside it.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium, and there is none")

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb",
)  # fmt: skip
# The protocol's pipes have fixed numbers; they are set between two programs, where no thread is in the way.
_BEGIN = """
import os, sys
into, out, *words = sys.argv[1:]
os.dup2(int(into), 103), os.dup2(int(out), 104)
os.dup2(103, 3), os.dup2(104, 4)
os.execvp(words[0], words)
"""
# A machine that does much else is slow, and no failure of the page.
_PATIENCE = 120.0


class Browser:
    """Chromium, and the page that it shows.

    Attributes:
        requests: addresses that were asked for since the page was opened, its own among them.
        complaints: what was written to the console, uncaught errors, and what the page's policy forbade.
    """

    def __init__(self, into: int, out: int) -> None:
        self._into, self._out = into, out
        self._number, self._left = 0, b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, path: Path, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Show a file in a window of this size."""
        if self._session is None:
            target = self.say("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.say("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.say(f"{domain}.enable")
        self.say(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.say("Emulation.setEmulatedMedia", features=[scheme])
        self.requests.clear()
        self.complaints.clear()
        self.say("Page.navigate", url=path.as_uri())
        until = time.monotonic() + _PATIENCE
        while self.value("document.readyState") != "complete" or self.value("location.href") == "about:blank":
            assert time.monotonic() < until, "the page did not load"
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """What an expression is worth on the page; a promise is waited for."""
        answer = self.say("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key: `Tab`, `Enter` or a space."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}[key]
        about = {"key": key, "windowsVirtualKeyCode": code}
        self.say("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.say("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size = self.say("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.say("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def say(self, method: str, **parameters: Any) -> Any:
        """Do something of the protocol; returns its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._heard()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _heard(self) -> Any:
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._out], [], [], max(until - time.monotonic(), 0))
            assert ready, "Chromium does not answer"
            more = os.read(self._out, 1 << 20)
            assert more, "Chromium ended"
            self._left += more
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def _note(self, event: str, about: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(str(about["args"]))
        elif event == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])


@contextlib.contextmanager
def browser(profile: Path) -> Generator[Browser]:
    """A browser that ends with the block.

    Args:
        profile: an empty folder for what it keeps.
    """
    assert PROGRAM is not None
    (its_in, into), (out, its_out) = os.pipe(), os.pipe()
    words = [sys.executable, "-c", _BEGIN, str(its_in), str(its_out), PROGRAM, *_OPTIONS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(words, pass_fds=(its_in, its_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(its_in)
    os.close(its_out)
    try:
        yield Browser(into, out)
    finally:
        os.close(into)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(out)
