"""Let in only requests that are meant for this server, and say in every answer what its page may do."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The page may load and reach nothing but this server, and compile WebAssembly. Its origin is isolated (COOP, COEP), so
#: that WebAssembly may use several threads.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """Wraps the server's application.

    A page of another origin can make a browser send requests to this computer. If its name is bound to this computer's
    address (DNS rebinding), it could even read the answers: the header Host then has that name. An address of numbers
    cannot be bound to another one, so Host may be any of them.

    Args:
        app: the application.
        hosts: the names that Host may have besides "localhost" and addresses of numbers.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # What the page consists of may change with the version of this program.
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_known(host):
            name = "--allow-host NAME, when p3m serve starts, adds a name"
            await _refusal(400, f"the header Host does not name this server: {name}")(scope, receive, guarded_send)
        elif origin is not None and scope["method"] not in ("GET", "HEAD") and not _is_same(origin, host):
            await _refusal(403, "the request comes from a page of another origin")(scope, receive, guarded_send)
        else:
            await self._app(scope, receive, guarded_send)

    def _is_known(self, host: str) -> bool:
        try:
            # "//" makes it an address without a scheme, whose port is left out.
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._hosts:
                return True
            ip_address(name)
        except ValueError:
            return False
        return True


def _is_same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _refusal(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)
