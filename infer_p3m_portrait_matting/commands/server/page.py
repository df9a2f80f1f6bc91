"""Serve the page that ``make page`` builds."""

import mimetypes
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_PACKAGE = Path(__file__).resolve().parents[2]
#: Where the built page lies: in an installed package, or in a clone of the repository.
_PLACES = (_PACKAGE / "page", _PACKAGE.parent / "page" / "dist")
#: Types of files that some systems do not know, or know otherwise.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
#: Tells the page that this computer can compute, and where: relative to the page.
_META = '<meta name="p3m-server" content="api/">'
_WITHOUT_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><title>p3m serve</title></head>
<body>
<h1>p3m serve</h1>
<p>The page is not built here. In a clone of the repository, <code>make page</code> builds it (node 18 or newer).</p>
<p>The API works: <a href="api/parameters">parameters</a>, <a href="api/openapi.json">description</a>.</p>
</body>
</html>
"""


def built_page() -> Path | None:
    """Return the folder of the built page, or None."""
    return next((place for place in _PLACES if (place / "index.html").is_file()), None)


def page_routes(folder: Path | None) -> list[BaseRoute]:
    """List the addresses of the page.

    Args:
        folder: of the built page; None serves a page that says how to build it.
    """
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    html = _WITHOUT_PAGE if folder is None else (folder / "index.html").read_text(encoding="utf-8")
    html = re.sub(r"<head(\s[^>]*)?>", lambda found: found[0] + _META, html, count=1, flags=re.IGNORECASE)

    async def index(request: Request) -> Response:
        return HTMLResponse(html)

    routes: list[BaseRoute] = [Route("/", index), Route("/index.html", index)]
    if folder is not None:
        # In a wheel the page has no copy of the bundled weights.
        routes.append(Mount("/weights", StaticFiles(directory=_PACKAGE / "weights")))
        routes.append(Mount("/", StaticFiles(directory=folder)))
    return routes
