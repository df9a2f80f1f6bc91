"""Letting torch use all of its threads in a thread where OpenMP was told to choose their number itself.

``import ikomia`` switches OpenMP's dynamic teams on in the thread that imports it. The GNU runtime then counts the
machine's load against every parallel region, and torch computes on one core although it reports several threads.
oneDNN kernels whose threads wait for one another (convolution's backward pass has one) then wait for ever.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch


@cache
def _runtime() -> ctypes.CDLL | None:
    """The OpenMP runtime that torch has loaded, or None where torch brings none of its own."""
    for path in sorted(Path(torch.__file__).parent.glob("lib/*omp*")):
        # Opening a library that is already in the process gives the very same one.
        try:
            library = ctypes.CDLL(str(path))
            library.omp_get_dynamic, library.omp_set_dynamic  # noqa: B018 - raises where the symbols are missing
        except (OSError, AttributeError):
            continue
        return library
    return None


@contextmanager
def all_threads() -> Iterator[None]:
    """Switch dynamic teams off in this thread, and back to what they were afterwards."""
    runtime = _runtime()
    if runtime is None:
        yield
        return
    before = runtime.omp_get_dynamic()
    runtime.omp_set_dynamic(0)
    try:
        yield
    finally:
        runtime.omp_set_dynamic(before)
