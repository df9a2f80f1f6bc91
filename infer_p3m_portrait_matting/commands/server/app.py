"""Put the server together: its API, its page, and what stands before both."""

from collections.abc import Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from .api import Api
from .guard import Guard
from .offer import Offer
from .page import page_routes
from .worker import Worker


def create_app(worker: Worker, offer: Offer, page: Path | None, hosts: Collection[str]) -> ASGIApp:
    """Create the application.

    Args:
        worker: makes the pictures.
        offer: the parameters of a request.
        page: the folder of the built page, or None.
        hosts: names of this computer; see :class:`~.guard.Guard`.
    """
    routes = [Api(worker, offer).routes(), *page_routes(page)]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _failed}), hosts)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the server failed: {type(error).__name__}"}, 500)
