"""The page in a real browser."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_page import Page, Server, chromium

PAGE = Path(__file__).resolve().parents[2] / "page"


@pytest.fixture(scope="session")
def built_page() -> Path:
    """The folder of the page, built of what lies here now."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: the page cannot be built")
    if not (PAGE / "node_modules").is_dir():
        pytest.skip("the page's packages are missing: run `make page` once")
    subprocess.run(["node", PAGE / "build.mjs"], check=True, stdout=subprocess.DEVNULL)
    return PAGE / "dist"


@pytest.fixture
def server(built_page: Path) -> Iterator[Server]:
    server = Server(built_page)
    yield server
    server.stop()


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Start a browser that opens an address; the arguments are those of :class:`Page`, without the folder."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
    if shutil.which("chromedriver") is None or chromium() is None:
        pytest.skip("Chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    started: list[Page] = []

    def start(address: str, proxy: str | None = None) -> Page:
        started.append(Page(address, tmp_path, proxy))
        return started[-1]

    yield start
    for page in started:
        page.driver.quit()


@pytest.fixture
def page(server: Server, browse: Callable[..., Page]) -> Page:
    """The page in a fresh browser, not opened yet."""
    return browse(server.address, server.host)
