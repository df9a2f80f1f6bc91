"""Spread photos and videos over processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ..pipeline.pipeline import Pipeline
from ..pipeline.settings import Settings
from .convert import Report, convert
from .destinations import Item
from .record import plan

_DIED = "the process that worked on it died, twice; perhaps the computer has too little memory: lower --jobs"

# The pipeline of a worker process.
_pipeline: Pipeline | None = None


def convert_all(items: Iterable[Item], settings: Settings, jobs: int, few: bool) -> Iterator[tuple[Item, Report]]:
    """Make the files of many photos and videos in separate processes, and report each as it is done.

    If a process dies, its photo gets a second try by itself; if the process dies again, the photo has failed.

    Args:
        items: the photos and videos.
        settings: the parameters.
        jobs: number of processes.
        few: as for :class:`Pipeline`.
    """
    waiting = deque(items)
    while waiting:
        suspects = yield from _until_one_dies(waiting, settings, jobs, few)
        for item in suspects:
            # The process may have died when its files were finished, but not reported yet: those may be replaced.
            item = next(iter(plan([item], settings, force=True).todo), item)
            died = yield from _until_one_dies(deque([item]), settings, 1, few)
            if died:
                yield item, Report(error=_DIED)


def _until_one_dies(
    waiting: deque[Item], settings: Settings, jobs: int, few: bool
) -> Generator[tuple[Item, Report], None, list[Item]]:
    """Work until nothing waits or a process dies; return the items that were in progress then."""
    # Spawn, do not fork: OpenMP's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (settings, jobs, few))
    running: dict[Future, Item] = {}
    try:
        while waiting or running:
            # Keep the queue short: when a process dies, every item in it is a suspect.
            while waiting and len(running) < jobs:
                # In this order: a pool that has broken meanwhile takes nothing, and what it was offered still waits.
                future = pool.submit(_work, waiting[0])
                running[future] = waiting.popleft()
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


def _start_worker(settings: Settings, jobs: int, few: bool) -> None:
    global _pipeline
    # The parent handles Ctrl-C; if it is killed, its workers end too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # PyTorch and ONNX Runtime load with the pipeline.
    os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // jobs, 1))
    _pipeline = Pipeline(settings, to_lower="--jobs", few=few)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(item: Item) -> Report:
    assert _pipeline is not None, "the worker was not started by _start_worker"
    return convert(item, _pipeline)
