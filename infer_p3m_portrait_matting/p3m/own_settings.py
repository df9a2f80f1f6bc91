"""Computing under our own settings of PyTorch, whatever the caller has set, and leaving the caller's as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def loading_settings() -> Iterator[None]:
    """Build and fill networks in float32 on the CPU, under any default dtype and default device."""
    before = torch.get_default_dtype()
    with torch.device("cpu"):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@contextmanager
def computing_settings(device: torch.device) -> Iterator[None]:
    """Compute in the network's own number format: without autocast, and float32 without shortcuts."""
    before = torch.get_float32_matmul_precision()
    with torch.autocast(device.type, enabled=False):
        if before == "highest":
            # The setting belongs to the whole process: leave it alone where it is right.
            yield
            return
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
