"""Computing under our own settings of PyTorch, whatever the caller has set, and leaving the caller's as they were."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def loading_settings() -> Iterator[None]:
    """Build and fill networks in float32 on the CPU, under any default dtype and default device, by one thread.

    OpenMP's threads do not survive a fork: a child of a process that has started them waits for them for ever. One
    thread starts none, so that a process may load, fork, and matte in its children.
    """
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    with torch.device("cpu"):
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)


@contextmanager
def computing_settings(device: torch.device) -> Iterator[None]:
    """Compute in the network's own number format: without autocast, and float32 without shortcuts."""
    before = torch.get_float32_matmul_precision()
    # Only where the caller has set another one: a default device costs something at every operation.
    is_set = torch.get_default_device().type not in ("cpu", device.type)
    with torch.autocast(device.type, enabled=False), torch.device(device) if is_set else nullcontext():
        if before == "highest":
            # The setting belongs to the whole process: leave it alone where it is right.
            yield
            return
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
