"""Let torch use all of its threads in a thread where OpenMP was told to choose their number itself.

``import ikomia`` switches OpenMP's dynamic teams on in the thread that imports it. The GNU runtime then
reduces the threads of every parallel region by the load of the machine, and torch computes on one core although it
reports several threads. oneDNN kernels whose threads wait for one another, such as one in the backward pass of
convolution, then wait for ever.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def _runtime() -> ctypes.CDLL | None:
    """Return the OpenMP runtime that torch loads, or None if torch is not installed or comes without one."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return None
    for path in sorted(Path(torch.origin).parent.glob("lib/*omp*")):
        # Opening a library that is already loaded returns the loaded one.
        try:
            library = ctypes.CDLL(str(path))
            library.omp_get_dynamic, library.omp_set_dynamic  # noqa: B018 - raises where the symbols are missing
        except (OSError, AttributeError):
            continue
        return library
    return None


@contextmanager
def all_threads() -> Iterator[None]:
    """Switch dynamic teams off in this thread, and restore the previous state afterwards."""
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
