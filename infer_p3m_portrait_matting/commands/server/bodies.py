"""Receive photos and send pictures, with limits on the memory and the time that a client can take."""

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...p3m.files.limits import max_bytes

#: Bytes that a photo may have, if :func:`~...p3m.files.limits.max_bytes` allows more.
_MOST = 100 * 10**6
#: How many of the largest photos all requests together may hold.
_PHOTOS = 3
#: Seconds in which a photo must arrive, and in which a picture must be taken.
_SECONDS = 60
#: Bytes that are sent at a time.
_PIECE = 2**18


def most_bytes() -> int:
    """Return how many bytes a photo may have."""
    return min(_MOST, max_bytes())


class Memory:
    """Counts the bytes of photos and pictures that all requests together hold."""

    def __init__(self) -> None:
        self.held = 0


class Share:
    """The bytes that one request holds.

    Args:
        memory: where they are counted.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory, self._held = memory, 0

    def add(self, count: int) -> None:
        """Count more bytes, before they are kept.

        Raises:
            HTTPException: all requests together hold too many.
        """
        if self._memory.held + count > _PHOTOS * most_bytes():
            raise busy("too many photos are on their way")
        self._change(self._held + count)

    def replace(self, count: int) -> None:
        """Count the bytes of the picture in place of those of the photo."""
        self._change(count)

    def release(self) -> None:
        """Count none any more."""
        self._change(0)

    def _change(self, count: int) -> None:
        self._memory.held += count - self._held
        self._held = count


def busy(sentence: str, seconds: int = 5) -> HTTPException:
    """Return the error of a server that cannot serve a request now.

    Args:
        sentence: why.
        seconds: after which the client may try again.
    """
    return HTTPException(503, sentence, {"Retry-After": str(seconds)})


async def receive_photo(request: Request, share: Share) -> bytes:
    """Receive the body of a request.

    Raises:
        HTTPException: it is too large or too slow, or there is too little room for it.
        ClientDisconnect: the client is gone.
    """
    most = most_bytes()
    declared = request.headers.get("content-length", "")
    too_large = HTTPException(413, f"the photo has more than the {most / 10**6:g} megabytes that are taken")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    body = bytearray()

    async def receive() -> None:
        async for piece in request.stream():
            if len(body) + len(piece) > most:
                raise too_large
            share.add(len(piece))
            body.extend(piece)

    try:
        await asyncio.wait_for(receive(), _SECONDS)
    except asyncio.TimeoutError:
        raise HTTPException(408, f"the photo did not arrive within {_SECONDS} seconds") from None
    return bytes(body)


class Picture(Response):
    """Sends a picture in pieces, so that a client that stops reading does not hold it.

    Args:
        content: the picture, a PNG.
        share: counts its bytes, and is released once it is sent.
        headers: of the answer.
    """

    media_type = "image/png"

    def __init__(self, content: bytes, share: Share, headers: Mapping[str, str]) -> None:
        super().__init__(content, headers=headers)
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_all() -> None:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            content = memoryview(self.body)
            for start in range(0, len(content), _PIECE):
                piece = bytes(content[start : start + _PIECE])
                is_last = start + _PIECE >= len(content)
                await send({"type": "http.response.body", "body": piece, "more_body": not is_last})

        try:
            # The connection of an unfinished answer is closed.
            await asyncio.wait_for(send_all(), _SECONDS)
        except asyncio.TimeoutError:
            pass
        finally:
            self._share.release()
