"""Fixtures of the tests of ``p3m serve``."""

import io
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from p3m_server import Client, Server
from PIL import Image

from infer_p3m_portrait_matting.commands.server.app import create_app
from infer_p3m_portrait_matting.commands.server.connections import Protocol
from infer_p3m_portrait_matting.commands.server.offer import Offer
from infer_p3m_portrait_matting.commands.server.worker import Worker
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import Settings


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """``p3m serve`` as a user starts it, but with photos of at most one megapixel."""
    folder = tmp_path_factory.mktemp("server")
    running = Server("--max-megapixels", "1", folder=folder)
    yield running
    assert running.stop() == 0
    # No access log, no traceback, nothing of a photo, on disk or elsewhere.
    assert running.printed == []
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="session")
def photo(astronaut) -> bytes:
    return encoded(astronaut[:192, 96:352])


@pytest.fixture(scope="session")
def large(astronaut) -> bytes:
    """A photo that takes a second or so."""
    return encoded(np.kron(astronaut, np.ones((2, 1, 1), np.uint8))[:, :500])


def encoded(array: np.ndarray, form: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **options)
    return content.getvalue()


@pytest.fixture(scope="session")
def worker():
    made = Worker(Pipeline(Settings(model_name="mobile", cuda="False"), few=True))
    yield made
    made.close()


@pytest.fixture
def serve(worker) -> Callable:
    """Run the server in a thread of this process, where a test may shorten its limits."""

    @contextmanager
    def run(page: Path | None = None, hosts=()):
        app = create_app(worker, Offer(Settings(model_name="mobile", cuda="False"), worker.models, 1024), page, hosts)
        config = uvicorn.Config(app, port=0, http=Protocol, ws="none", lifespan="off", log_level="critical")
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, daemon=True)
        thread.start()
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.02)
        try:
            yield Client(running.servers[0].sockets[0].getsockname()[1])
        finally:
            running.should_exit = True
            thread.join(30)

    return run
