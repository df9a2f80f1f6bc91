"""Make the data of every step, a few steps ahead."""

import math
import queue
import threading
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import torch

from .augment import Batch, Sampler
from .config import Config


class StepData(NamedTuple):
    """The batches of one step, as the parts of its :class:`~.config.Stage`; each may be None."""

    views: Batch | None
    mattes: Batch | None
    bodies: Batch | None


class Source:
    """Make the data of any step. The data depend only on the seed and the step, so resuming changes nothing.

    Args:
        config: the content of the TOML file.
        sampler: what draws the samples.
    """

    def __init__(self, config: Config, sampler: Sampler) -> None:
        self.config, self.sampler = config, sampler
        self.kept: dict[int, StepData] = {}

    def __call__(self, step: int) -> StepData:
        """Return the data of a step (from 0)."""
        echo = self.config.echo
        _, place = self.config.stage_at(step)
        # Echoes stay within a stage: another one may have samples of another kind.
        again = echo > 0 and place // echo % 2 == 1
        if not again:
            data = self._make(step)
            if echo:
                self.kept = {s: d for s, d in self.kept.items() if s > step - echo} | {step: data}
            return data
        first = step - echo
        data = self.kept.get(first) or self._make(first)
        return StepData(*(batch and batch.mirrored() for batch in data))

    def _make(self, step: int) -> StepData:
        return step_data(self.config, self.sampler, step)


def step_data(config: Config, sampler: Sampler, step: int) -> StepData:
    """Make new data for a step (from 0), which depend only on the seed and the step."""
    stage, _ = config.stage_at(step)
    batches: list[Batch | None] = []
    for number, part in enumerate((stage.views, stage.mattes, stage.bodies)):
        if part is None:
            batches.append(None)
            continue
        aspect = config.aspects[np.random.default_rng((config.seed, step, number)).integers(len(config.aspects))]
        height = 32 * round(part.size * math.sqrt(aspect) / 32)
        width = 32 * round(part.size / math.sqrt(aspect) / 32)
        batches.append(sampler.batch(part.recipe, part.count, height, width, (config.seed, step, number, 1)))
    return StepData(*batches)


def prefetch(
    make: Callable[[int], StepData], first: int, last: int, device: torch.device
) -> Generator[StepData, None, None]:
    """Make the data of steps ``first`` to ``last - 1`` in a separate thread, a few steps ahead.

    On a GPU the thread also has its own stream, so that its waiting does not delay training.
    """
    ready: queue.Queue = queue.Queue(maxsize=3)
    stopped = threading.Event()

    def work() -> None:
        stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        try:
            with torch.cuda.stream(stream):
                for step in range(first, last):
                    data = make(step)
                    event = stream.record_event() if stream else None
                    while not stopped.is_set():
                        try:
                            ready.put((data, event), timeout=0.1)
                            break
                        except queue.Full:
                            continue
                    if stopped.is_set():
                        return
        except BaseException as error:
            ready.put((error, None))

    threading.Thread(target=work, daemon=True).start()
    try:
        for _ in range(first, last):
            data, event = ready.get()
            if isinstance(data, BaseException):
                raise data
            if event is not None:
                torch.cuda.current_stream(device).wait_event(event)
                for batch in data:
                    for tensor in batch or ():
                        tensor.record_stream(torch.cuda.current_stream(device))
            yield data
    finally:
        stopped.set()
