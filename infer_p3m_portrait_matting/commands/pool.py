"""Spreading photos and videos over processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ..plugin.settings import Settings
from .matting import Matting
from .targets import Item
from .work import Report, make

_DIED = "the process that worked on it died, twice; perhaps the computer has too little memory: lower --jobs"

# The model of a worker process.
_matting: Matting | None = None


def make_all(items: Iterable[Item], settings: Settings, jobs: int) -> Iterator[tuple[Item, Report]]:
    """Make the files of many photos and videos, in processes of their own, and report each as it is done.

    A process that dies costs nothing but its photo a second try, alone; if it dies again, that photo has failed.

    Args:
        items: what to do.
        settings: the parameters.
        jobs: number of processes.
    """
    waiting = deque(items)
    while waiting:
        suspects = yield from _until_one_dies(waiting, settings, jobs)
        for item in suspects:
            died = yield from _until_one_dies(deque([item]), settings, 1)
            if died:
                yield item, Report([], _DIED)


def _until_one_dies(
    waiting: deque[Item], settings: Settings, jobs: int
) -> Generator[tuple[Item, Report], None, list[Item]]:
    """Work until nothing waits or a process dies; returns what was under way then."""
    # Spawned, not forked: OpenMP's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (settings, jobs))
    running: dict[Future, Item] = {}
    try:
        while waiting or running:
            # A short queue: what waits in it when a process dies would be suspected.
            while waiting and len(running) < jobs:
                item = waiting.popleft()
                running[pool.submit(_work, item)] = item
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                report = future.result()
                yield running.pop(future), report
    except BrokenProcessPool:
        return list(running.values())
    finally:
        if running:
            for process in multiprocessing.active_children():
                process.terminate()
        pool.shutdown(cancel_futures=True)
    return []


def _start_worker(settings: Settings, jobs: int) -> None:
    global _matting
    # Ctrl-C is the parent's to handle; a parent that was killed takes its workers along.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(max((os.cpu_count() or 1) // jobs, 1))
    _matting = Matting(settings)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(item: Item) -> Report:
    assert _matting is not None, "the worker was not started by _start_worker"
    return make(item, _matting)
