"""The page in a real browser."""

import shutil
import subprocess
from collections.abc import Iterator
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
def page(server: Server, tmp_path: Path) -> Iterator[Page]:
    """The page in a fresh browser, not opened yet."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
    if shutil.which("chromedriver") is None or chromium() is None:
        pytest.skip("Chromium or chromedriver is not installed: apt-get install chromium chromium-driver")
    page = Page(server, tmp_path)
    yield page
    page.driver.quit()
