"""Chromium with the page in it, driven by Selenium, and a server that records every request."""

import gzip
import shutil
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np


def chromium() -> str | None:
    """Find the browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


#: What Chromium itself asks, whatever page is open: its start page, the time, signing in, and hints.
BROWSERS_OWN = ("duckduckgo.com", "google.com", "googleapis.com")


class Server:
    """Serves a folder as ``python -m http.server`` does, and is the browser's proxy: it sees all that leaves the page.

    Attributes:
        requests: the address of each request, in their order, except the browser's own.
        sent: bytes of the answers' bodies, if they were compressed by gzip.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        self.sent = 0
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlsplit(self.path)
                server.record(self.path, address.hostname)
                if address.netloc not in ("", server.host):
                    return self.send_error(502)
                self.path = address.path
                content = Path(self.translate_path(self.path))
                if content.is_file():
                    server.sent += len(gzip.compress(content.read_bytes(), 6))
                return super().do_GET()

            def do_CONNECT(self) -> None:
                server.record(f"https://{self.path}", self.path.split(":")[0])
                self.send_error(502)

            do_POST = do_PUT = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.address = f"http://{self.host}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def record(self, address: str, host: str | None) -> None:
        if not (host or "").endswith(BROWSERS_OWN):
            self.requests.append(address)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Page:
    """The page in a browser.

    Attributes:
        driver: Selenium's driver.
        downloads: the folder to which the page saves.
    """

    def __init__(self, address: str, folder: Path, proxy: str | None = None) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = chromium()
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
            "--window-size=1280,800",
            *([f"--proxy-server=http://{proxy}"] if proxy else []),
            "--proxy-bypass-list=<-loopback>",
            f"--user-data-dir={folder / 'profile'}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        where = {"behavior": "allow", "downloadPath": str(self.downloads)}
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        self.address = address

    def open(self) -> None:
        """Open the page, and wait until the network is loaded."""
        self.driver.get(self.address)
        self.wait("document.getElementById('status').textContent.startsWith('Ready')")

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = 240) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"return {condition}"):
            assert time.monotonic() < end, f"{condition}; {self.words()}"
            time.sleep(0.1)

    def wait_done(self) -> None:
        """Wait until the newest result is there."""
        self.wait(
            "document.getElementById('busy').hidden"
            " && (!document.getElementById('save-cutout').disabled || !document.getElementById('notice').hidden)"
        )

    def words(self) -> str:
        """What the page says at the moment."""
        words = self.run(
            "return ['status', 'notice-words', 'busy-words'].map((x) => document.getElementById(x).innerText)"
        )
        return " | ".join(words)  # type: ignore[arg-type]

    def add(self, *photos: Path) -> None:
        self._give("photo-input", *photos)

    def give_background(self, picture: Path) -> None:
        self._give("picture-input", picture)

    def _give(self, name: str, *paths: Path) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.ID, name).send_keys("\n".join(map(str, paths)))

    def click(self, name: str) -> None:
        """Click the element of that id."""
        self.run("document.getElementById(arguments[0]).click()", name)

    def choose(self, name: str, value: str) -> None:
        """Choose one of several alternatives."""
        self.run("document.querySelector(`[name=${arguments[0]}][value=${arguments[1]}]`).click()", name, value)

    def set(self, name: str, value: float) -> None:
        """Move a slider, and wait for the result."""
        self.run(
            "const slider = document.getElementById(arguments[0]); slider.value = arguments[1];"
            "for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, { bubbles: true }))",
            name,
            value,
        )
        time.sleep(0.3)
        self.wait_done()

    def press(self, keys: str) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.ID, "stage").send_keys(keys)

    def press_at(self, element: str, *keys: str) -> None:
        """Press keys where an element has the focus, perhaps with Shift ("Shift+End")."""
        script = (
            "const [shift, key] = [arguments[1].startsWith('Shift+'), arguments[1].split('+').at(-1)];"
            "const place = document.querySelector(arguments[0]); place.focus();"
            "if (document.activeElement !== place) throw new Error('no focus');"
            "const options = { key, shiftKey: shift, bubbles: true, cancelable: true };"
            "place.dispatchEvent(new KeyboardEvent('keydown', options))"
        )
        for key in keys:
            self.run(script, element, key)

    def drag(self, element: str, x: int, y: int) -> None:
        """Drag an element from its middle by CSS pixels."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By

        actions = ActionChains(self.driver, duration=50)
        actions.move_to_element(self.driver.find_element(By.CSS_SELECTOR, element)).click_and_hold()
        actions.move_by_offset(x // 2, y // 2).move_by_offset(x - x // 2, y - y // 2).release().perform()
        # The box follows with the next frame.
        time.sleep(0.3)

    def stroke(self, *places: tuple[float, float]) -> None:
        """Draw a stroke with the mouse on a photo that fits; places are shares of its width, from its middle."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By

        # The divider runs along the photo from its left edge to its right one.
        ends = []
        for key, share in (("End", 1), ("Home", 0)):
            self.run(
                "const divider = document.getElementById('divider');"
                "divider.dispatchEvent(new KeyboardEvent('keydown', { key: arguments[0], bubbles: true }))",
                key,
            )
            self.wait(f"document.getElementById('divider').ariaValueNow === '{100 * share}'")
            time.sleep(0.2)
            place = "const { left, top } = document.getElementById('divider').style; return [left, top]"
            ends.append([float(value.removesuffix("px")) for value in self.run(place)])  # type: ignore[attr-defined]
        (right, y), (left, _) = ends
        stage = self.driver.find_element(By.ID, "stage")
        center = (left + right) / 2 - stage.size["width"] / 2, y - stage.size["height"] / 2
        points = [(center[0] + x * (right - left), center[1] + y * (right - left)) for x, y in places]
        actions = ActionChains(self.driver, duration=50).move_to_element_with_offset(stage, *map(round, points[0]))
        actions.click_and_hold()
        for before, after in pairwise(points):
            actions.move_by_offset(round(after[0] - before[0]), round(after[1] - before[1]))
        actions.release().perform()
        time.sleep(0.3)
        self.wait_done()

    def save(self, kind: str) -> np.ndarray:
        """Save a picture by its button, and read it as OpenCV does: BGR, BGRA or grey."""
        before = set(self.downloads.iterdir())
        self.click(f"save-{kind}")
        end = time.monotonic() + 120
        while not (new := [x for x in set(self.downloads.iterdir()) - before if x.suffix == ".png"]):
            assert time.monotonic() < end, self.words()
            time.sleep(0.1)
        self.wait_done()
        (path,) = new
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        path.unlink()
        return picture

    def troubles(self) -> list[str]:
        """What the browser's console has of warnings and errors."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[attr-defined]
