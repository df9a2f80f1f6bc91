"""Compute under our own settings of PyTorch, and restore the caller's settings afterwards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

#: Without cuDNN's attention, which spends tens of milliseconds on preparing each new size of a photo.
_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]

#: Its attributes differ between versions of PyTorch.
_MKLDNN: Any = torch.backends.mkldnn

_LOADING = threading.RLock()


@contextmanager
def loading_settings() -> Iterator[None]:
    """Build and fill networks in float32 on the CPU, in one thread, whatever the default dtype and device are.

    OpenMP's threads do not survive a fork: the child of a process that has started them waits for them for ever.
    Loading in one thread starts none, so a process may load, fork, and matte in its children. The settings belong to
    the whole process, so networks are loaded one after the other.
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
    """Compute in the network's own number format: without autocast, and with float32 in full precision (no TF32).

    On a GPU, also choose convolutions that do not depend on the order of threads.
    """
    # Only if the caller has set another device: a default device slows every operation down.
    is_set = torch.get_default_device().type not in ("cpu", device.type)
    with ExitStack() as settings:
        settings.enter_context(torch.autocast(device.type, enabled=False))
        settings.enter_context(torch.device(device) if is_set else nullcontext())
        settings.enter_context(_PRECISE)
        if device.type == "cuda":
            settings.enter_context(_REPEATABLE)
        yield


class _Shared:
    """A setting of the whole process that several threads share: the first makes it, the last undoes it.

    Args:
        make: returns a context manager that makes and undoes the setting.
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
    with _full_products(), _full_convolutions(_MKLDNN):
        yield


@contextmanager
def _repeatable() -> Iterator[None]:
    # cudnn.flags would fail if the caller has used the new settings of precision.
    cudnn = torch.backends.cudnn
    names = ("enabled", "benchmark", "deterministic") + (() if _HAS_LEVELS else ("allow_tf32",))
    before = {name: getattr(cudnn, name) for name in names}
    wanted = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
    with _full_convolutions(cudnn), sdpa_kernel(_ATTENTION):
        try:
            for name in names:
                setattr(cudnn, name, wanted[name])
            yield
        finally:
            for name, value in before.items():
                setattr(cudnn, name, value)


@contextmanager
def _full_products() -> Iterator[None]:
    levels = (torch.backends.cuda.matmul, _MKLDNN.matmul) if _HAS_LEVELS else ()
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:
        # The caller has used the new settings. The old setting sets both, which PyTorch requires in order to read them.
        precisions = [level.fp32_precision for level in levels]
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            for level, precision in zip(levels, precisions, strict=True):
                level.fp32_precision = precision
        return
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _full_convolutions(backend: Any) -> Iterator[None]:
    """Compute convolutions in full float32: set all backends, this backend, and the backend's convolutions."""
    changed = []
    # From the outside in, as a level without a setting inherits that of the level around it.
    levels: tuple[Any, ...] = (torch.backends, backend, backend.conv) if _HAS_LEVELS else ()
    for level in levels:
        precision = level.fp32_precision
        if precision not in ("none", "ieee"):
            changed.append((level, precision))
            level.fp32_precision = "ieee" if level is backend.conv else "none"
    try:
        yield
    finally:
        for level, precision in reversed(changed):
            level.fp32_precision = precision


#: Whether this PyTorch has settings of precision by backend and operation (2.9 and newer).
_HAS_LEVELS = hasattr(_MKLDNN, "conv") and hasattr(torch.backends.cudnn, "conv")

_PRECISE, _REPEATABLE = _Shared(_full_float32), _Shared(_repeatable)
