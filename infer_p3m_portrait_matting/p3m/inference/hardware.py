"""Look at this computer: what is installed, and what it computes. Nothing heavy is loaded."""

import ctypes
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

#: The packages that PyTorch's networks need, and how errors say so.
_TORCH = ("torch", "torchvision", "timm")
INSTALL_TORCH = f"pip install {' '.join(_TORCH)}"


def is_installed(package: str) -> bool:
    """Check whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def missing_for_torch() -> str:
    """Return a package that PyTorch's networks need and that is not installed, or ""."""
    return next((name for name in _TORCH if not is_installed(name)), "")


@cache
def has_gpu_driver() -> bool:
    """Check whether a driver is installed with which PyTorch's "cuda" could compute: NVIDIA's, or AMD's on Linux."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True


@cache
def cpu_lists_bfloat16() -> bool:
    """Check whether Linux says that this CPU multiplies bfloat16 natively (AVX512_BF16 or AMX_BF16)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return "avx512_bf16" in flags or "amx_bf16" in flags
