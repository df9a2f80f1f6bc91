"""Look at this computer without loading PyTorch, which takes seconds."""

import ctypes
import sys
from functools import cache
from pathlib import Path


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
