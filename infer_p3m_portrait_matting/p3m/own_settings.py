"""Computing under our own settings of PyTorch, whatever the caller has set, and leaving the caller's as they were."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch

_LOADING = threading.RLock()


@contextmanager
def loading_settings() -> Iterator[None]:
    """Build and fill networks in float32 on the CPU, under any default dtype and default device, by one thread.

    OpenMP's threads do not survive a fork: a child of a process that has started them waits for them for ever. One
    thread starts none, so that a process may load, fork, and matte in its children. These settings belong to the whole
    process, so that networks are loaded one after the other.
    """
    with _LOADING, torch.device("cpu"):
        dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)


@contextmanager
def computing_settings(device: torch.device) -> Iterator[None]:
    """Compute in the network's own number format: without autocast, and float32 without shortcuts.

    On a GPU, also choose convolutions that do not depend on the order of threads.
    """
    # Only where the caller has set another one: a default device costs something at every operation.
    is_set = torch.get_default_device().type not in ("cpu", device.type)
    with ExitStack() as settings:
        settings.enter_context(torch.autocast(device.type, enabled=False))
        settings.enter_context(torch.device(device) if is_set else nullcontext())
        settings.enter_context(_PRECISE)
        if device.type == "cuda":
            settings.enter_context(_REPEATABLE)
        yield


class _Shared:
    """A setting of the whole process that threads need at the same time: the first makes it, the last undoes it.

    Args:
        make: gives a context manager that makes and undoes the setting.
    """

    def __init__(self, make: Callable[[], AbstractContextManager]) -> None:
        self._make, self._lock, self._users = make, threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._setting = self._make()
                self._setting.__enter__()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._setting.__exit__(None, None, None)


@contextmanager
def _full_float32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def _repeatable() -> AbstractContextManager:
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


_PRECISE, _REPEATABLE = _Shared(_full_float32), _Shared(_repeatable)
