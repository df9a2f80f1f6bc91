"""Run ``p3m serve``, which offers a page and an API for photos."""

import os
import signal
import socket
import sys
import warnings
import webbrowser
from argparse import Namespace
from dataclasses import replace
from importlib import import_module

from ..p3m.errors import words_of
from ..p3m.files.limits import MEGAPIXELS_VARIABLE
from ..pipeline.settings import PARAMETERS, Settings
from .console import say, say_warnings, standard_output_free
from .options import model_here
from .subcommand import Parser, path

_PACKAGES = ("starlette", "uvicorn")
_INSTALL = 'pip install "starlette>=1,<2" "uvicorn>=0.30,<1"'
#: Connections at a time, of which each takes a file descriptor.
_CONNECTIONS = 256
#: Seconds that requests have to end when the server stops.
_GRACE = 5


def main(arguments: list[str]) -> int:
    """Serve until a signal stops it.

    Args:
        arguments: without ``serve``.

    Returns:
        The exit status: 0 after SIGTERM, 1 when the server cannot start.

    Raises:
        OSError: the port cannot be used.
        KeyboardInterrupt: after Ctrl-C.
    """
    parser = Parser("serve", "Offer a page and an API that matte photos on this computer; docs/server.md has all.")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1, this computer only")
    parser.add_argument("--port", type=int, default=7860, metavar="N", help="default: 7860; 0 takes any free one")
    about = "a name by which browsers reach the server, besides localhost and addresses of numbers; repeatable"
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=about)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    about = "default: a published one whose weights are on this computer, else the bundled one"
    parser.add_argument("--model", metavar="NAME", help=about)
    parser.add_argument("--weights", type=path, metavar="FILE", help="your own weights of that model")
    parser.add_argument("--cuda", default="auto", metavar="TEXT", help=", ".join(PARAMETERS["cuda"].choices))
    parser.add_argument("--no-cuda", dest="cuda", action="store_const", const="False", help="the same as --cuda False")
    parser.add_argument("--precision", default="auto", metavar="TEXT", help=", ".join(PARAMETERS["precision"].choices))
    about = "the largest input_size of a request, in pixels (default: 2048)"
    parser.add_argument("--max-input-size", type=int, default=2048, metavar="N", help=about)
    about = f"megapixels that a photo may have (default: 100, or the environment variable {MEGAPIXELS_VARIABLE})"
    parser.add_argument("--max-megapixels", type=float, metavar="X", help=about)
    given = parser.parse_args(arguments)
    try:
        settings = Settings(
            model_name=given.model or model_here(),
            input_size=min(given.max_input_size, Settings().input_size),
            cuda=given.cuda,
            precision=given.precision,
            model_weight_file="" if given.weights is None else str(given.weights),
        )
        PARAMETERS["input_size"].read(given.max_input_size)
    except ValueError as error:
        parser.error(str(error))
    if given.max_megapixels is not None:
        if not 0 < given.max_megapixels < float("inf"):
            parser.error(f"--max-megapixels must be a number above 0, got {given.max_megapixels:g}")
        os.environ[MEGAPIXELS_VARIABLE] = f"{given.max_megapixels:g}"
    if not 0 <= given.port < 2**16:
        parser.error(f"--port must lie between 0 and {2**16 - 1}, got {given.port}")
    with standard_output_free():
        return _serve(given, settings)


def _serve(given: Namespace, settings: Settings) -> int:
    # Pillow's words on damaged metadata would get into the log.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # As soon as possible: in a container, nothing else ends the process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for package in _PACKAGES:
            import_module(package)
    except ImportError as error:
        say(f"p3m: error: p3m serve needs the package {error.name}: {_INSTALL}")
        return 1
    # First, so that a port that is in use is reported before the model is loaded.
    family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
    try:
        listening = socket.create_server((given.host, given.port), family=family)
    except OSError as error:
        say(f"p3m: error: port {given.port} of {given.host}: {os.strerror(error.errno or 0)}")
        return 2
    with listening:
        import uvicorn

        from ..pipeline.pipeline import Pipeline
        from .server.app import create_app
        from .server.connections import Protocol
        from .server.offer import Offer
        from .server.page import built_page
        from .server.worker import Worker

        try:
            # As for one photo: the same runtime as p3m takes then.
            pipeline = Pipeline(settings, few=True)
        except (OSError, ValueError, RuntimeError) as error:
            say(f"p3m: error: {words_of(error) if isinstance(error, OSError) else error}")
            return 1
        say_warnings([each.text for each in pipeline.substitutes.values() if each.warning])
        worker = Worker(pipeline)
        # A model that was substituted is the default from here on.
        offer = Offer(replace(settings, model_name=worker.models[0]), worker.models, given.max_input_size)
        app = create_app(worker, offer, built_page(), (given.host, *given.allow_host))
        name = f"[{given.host}]" if ":" in given.host else given.host
        address = f"http://{name}:{listening.getsockname()[1]}/"
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        )
        say(f"p3m serves {address} (Ctrl-C stops it)")
        if given.open:
            webbrowser.open(address)
        try:
            uvicorn.Server(config).run([listening])
        finally:
            worker.close()
    return 0
