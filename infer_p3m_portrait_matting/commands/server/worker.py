"""Make one picture at a time, in one thread, while few others wait."""

import asyncio
import ctypes
import math
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from starlette.requests import ClientDisconnect

from ...p3m import find_weights, list_models
from ...p3m.faces.detect import load_detector
from ...p3m.files.decode import decode, photo_of
from ...p3m.files.encode import encode_picture
from ...p3m.files.notes import read_notes
from ...pipeline.pipeline import Pipeline
from .bodies import busy
from .offer import Asked

#: How many requests may wait while one is computed.
_QUEUE = 8
#: Seconds after which a request has waited or computed too long.
_SECONDS = 120
#: glibc keeps the memory that a large photo has freed; this function gives it back to the system.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
#: What messages call a photo: its name is unknown.
_NAME = "the photo"


class Made(NamedTuple):
    """A picture.

    Attributes:
        content: a PNG.
        warnings: what the user should check.
    """

    content: bytes
    warnings: list[str]


class _StoppedError(Exception):
    """Nobody wants the picture any more."""


class Worker:
    """Computes pictures as ``p3m`` does, one at a time: the network uses all cores for one photo.

    Args:
        pipeline: the model that runs by default, loaded as for few photos.

    Attributes:
        models: the models whose weights are on this computer; the default is the first.
        device: the device that computes.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        first = pipeline.model.model_name
        own = pipeline.settings.weights_path() is not None
        others = [] if own else [name for name in list_models() if name != first and find_weights(name)]
        self.models, self.device = [first, *others], str(pipeline.model.device)
        #: Keeps each model in memory that was used once.
        self._pipelines = {first: pipeline}
        # Always the same thread: each thread that computes would get OpenMP threads of its own.
        self._thread = ThreadPoolExecutor(1, "matte")
        self._jobs: dict[Future, threading.Event] = {}
        self._seconds = 1.0

    @property
    def unfinished(self) -> int:
        """Return how many pictures are asked for and not finished."""
        return len(self._jobs)

    def refuse_if_full(self) -> None:
        """Refuse one more request if too many wait.

        Raises:
            HTTPException: with the time after which a place should be free.
        """
        if self.unfinished > _QUEUE:
            raise busy("too many photos wait for their mattes", math.ceil(self._seconds * self.unfinished))

    async def make(self, content: bytes, asked: Asked, gone: asyncio.Future) -> Made:
        """Make a picture of a photo.

        Args:
            content: the image file.
            asked: what to make.
            gone: is done when nobody waits for the picture any more.

        Raises:
            HTTPException: too many requests wait, or the picture took too long.
            ClientDisconnect: nobody waits any more.
            ValueError, RuntimeError, MissingPackageError: as from ``decode`` and ``Pipeline``.
        """
        self.refuse_if_full()
        stop = threading.Event()
        job = self._thread.submit(self._run, content, asked, stop)
        self._jobs[job] = stop
        job.add_done_callback(lambda job: self._jobs.pop(job, None))
        made = asyncio.wrap_future(job)
        try:
            await asyncio.wait((made, gone), timeout=_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if made.done():
                return made.result()
            if gone.done():
                raise ClientDisconnect
            raise busy(f"the picture was not ready within {_SECONDS} seconds", _SECONDS)
        finally:
            # A job that waits is dropped; one that runs ends after its current pass.
            stop.set()
            made.cancel()

    def close(self) -> None:
        """End the thread after the current pass, of the network or of the face detector."""
        for stop in list(self._jobs.values()):
            stop.set()
        self._thread.shutdown(cancel_futures=True)

    def _run(self, content: bytes, asked: Asked, stop: threading.Event) -> Made:
        try:
            return self._make(content, asked, stop)
        finally:
            # Each holds the memory of the largest photo of its size.
            load_detector.cache_clear()
            if _trim is not None:
                _trim(0)

    def _make(self, content: bytes, asked: Asked, stop: threading.Event) -> Made:
        def check() -> None:
            if stop.is_set():
                raise _StoppedError

        check()
        start = time.monotonic()
        image, warnings = decode(content, _NAME)
        notes = read_notes(content)
        pipeline = Pipeline(asked.settings, few=True)
        self._pipelines.setdefault(asked.settings.model_name, pipeline)
        photo = pipeline.prepare(photo_of(image), _NAME, before_look=check)
        check()
        result = pipeline.make(photo, after_pass=check, before_look=check, wanted=[asked.write])
        made = Made(encode_picture(getattr(result, asked.write), ".png", notes=notes), [*warnings, *result.warnings])
        self._seconds = time.monotonic() - start
        return made
