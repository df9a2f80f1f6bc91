"""Choose the number format of a network: one that its device multiplies natively."""

from functools import cache

import torch

from .hardware import cpu_lists_bfloat16
from .names import PRECISIONS

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: Tensor cores compute in float16 from this compute capability on (Volta).
_TENSOR_CORES = (7, 0)
#: Tensor cores compute in bfloat16 from this compute capability on (Ampere); older GPUs emulate it slowly.
_NATIVE_BFLOAT16 = (8, 0)


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Choose the number format of weights and feature maps.

    "auto" takes float16 on an NVIDIA GPU with tensor cores: it has three more bits of mantissa than bfloat16 at the
    same speed, and its smaller range is checked at run time. On a CPU, "auto" takes bfloat16 if the CPU multiplies it
    natively, and float32 everywhere else.

    Args:
        precision: one of :data:`PRECISIONS`.
        device: where the network will run.

    Returns:
        torch.float32, torch.bfloat16 or torch.float16.

    Raises:
        ValueError: the precision is unknown, or float16 is requested for a device other than an NVIDIA GPU.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        if device.type == "cuda":
            return torch.float16 if torch.cuda.get_device_capability(device) >= _TENSOR_CORES else torch.float32
        return torch.bfloat16 if device.type == "cpu" and bfloat16_is_native() else torch.float32
    if precision == "float16" and device.type != "cuda":
        raise ValueError('precision "float16" needs an NVIDIA GPU: on a CPU use "auto", "bfloat16" or "float32"')
    return _DTYPES[precision]


def wider_than_float16(device: torch.device) -> torch.dtype:
    """Choose the number format of a GPU for weights that leave the range of float16: bfloat16 if native, or float32."""
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _NATIVE_BFLOAT16 else torch.float32


@cache
def trouble_with_gpu(device: torch.device) -> str:
    """Say why this build of PyTorch cannot compute on a GPU, for example one too old or too new; "" if it can."""
    try:
        torch.zeros(1, device=device).add_(1).item()
    except torch.OutOfMemoryError:
        return ""  # other programs hold the memory now, and may be done when the network needs it
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    return ""


@cache
def bfloat16_is_native() -> bool:
    """Check whether this CPU multiplies bfloat16 natively (AVX512_BF16 or AMX_BF16); others emulate it slowly."""
    if not torch.backends.mkldnn.is_available():
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return cpu_lists_bfloat16()
