"""Answer the requests of the API."""

import asyncio
import json

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ...p3m.errors import MissingPackageError, printable
from ...p3m.files.formats import name_of_unreadable
from ...p3m.files.limits import TooLargeError
from ...p3m.version import __version__
from .bodies import Memory, Picture, Share, busy, receive_photo
from .offer import Asked, Offer
from .openapi import openapi
from .worker import Made, Worker

#: Types of a body that may be a photo; the last is what curl and urllib say if nobody says anything.
_TYPES = ("image/", "application/octet-stream", "application/x-www-form-urlencoded")
#: Longest that the header of warnings may be, in bytes.
_WARNINGS = 2000
_NO_STORE = {"Cache-Control": "no-store"}


class Api:
    """The API of the server.

    Args:
        worker: makes the pictures.
        offer: the parameters of a request.
    """

    def __init__(self, worker: Worker, offer: Offer) -> None:
        self._worker, self._offer, self._memory = worker, offer, Memory()

    def routes(self) -> Mount:
        """List the addresses of the API, all that begin with "/api/": none of them is a file of the page."""
        routes = [
            Route("/matte", self._matte, methods=["POST"]),
            Route("/health", self._health),
            Route("/parameters", self._parameters),
            Route("/openapi.json", self._openapi),
        ]
        return Mount("/api", routes=routes)

    async def _matte(self, request: Request) -> Response:
        try:
            asked = self._offer.read(request.query_params.multi_items())
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        kind = request.headers.get("content-type", "").strip().lower()
        if kind and not kind.startswith(_TYPES):
            raise HTTPException(415, "the body must be the bytes of the photo alone, with its Content-Type, or none")
        # Before the photo is received: a client should not send it in vain.
        self._worker.refuse_if_full()
        share = Share(self._memory)
        try:
            content = await receive_photo(request, share)
            made = await self._made(request, content, asked)
        except asyncio.CancelledError:
            share.release()
            raise busy("the server is stopping") from None
        except ClientDisconnect:
            share.release()
            return Response()
        except BaseException:
            share.release()
            raise
        share.replace(len(made.content))
        return Picture(made.content, share, _NO_STORE | _warnings(made.warnings))

    async def _made(self, request: Request, content: bytes, asked: Asked) -> Made:
        """Make the picture, unless the client leaves."""
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            return await self._worker.make(content, asked, gone)
        except TooLargeError as error:
            raise HTTPException(413, str(error)) from error
        except ValueError as error:
            raise HTTPException(415 if name_of_unreadable(content) else 422, str(error)) from error
        except MissingPackageError as error:
            raise HTTPException(422, str(error)) from error
        except RuntimeError as error:
            # There is too little memory, perhaps only for now.
            raise busy(str(error)) from error
        finally:
            gone.cancel()

    async def _health(self, request: Request) -> Response:
        worker = self._worker
        facts = {"status": "ok", "version": __version__, "models": worker.models, "device": worker.device}
        return JSONResponse({**facts, "unfinished": worker.unfinished}, headers=_NO_STORE)

    async def _parameters(self, request: Request) -> Response:
        return JSONResponse(self._offer.description(), headers=_NO_STORE)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi(self._offer), headers=_NO_STORE)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _warnings(warnings: list[str]) -> dict[str, str]:
    kept: list[str] = []
    for warning in map(printable, warnings):
        if len(json.dumps([*kept, warning])) > _WARNINGS:
            break
        kept.append(warning)
    return {"P3M-Warnings": json.dumps(kept)} if kept else {}
