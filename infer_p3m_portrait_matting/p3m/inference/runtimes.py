"""Choose what computes the network, and load it there."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingPackageError
from ..model.registry import Variant
from .hardware import INSTALL_TORCH, cpu_lists_bfloat16, has_gpu_driver, is_installed, missing_for_torch
from .names import RUNTIMES
from .onnx_network import PROVIDERS, OnnxNetwork, is_laid_out_as_bundled

if TYPE_CHECKING:
    import torch

    from .torch_network import TorchNetwork


def choose_runtime(
    variant: Variant, device: "str | torch.device", weights: Path, precision: str, few: bool = False
) -> str:
    """Choose the runtime for "auto".

    PyTorch is chosen where it is installed and wins: on a GPU, in bfloat16 if the CPU computes it natively, and for all
    that ONNX Runtime cannot run, such as the published networks.

    Args:
        variant: the network's entry in the registry.
        device, precision: as for :class:`~.portrait_matting.PortraitMatting`.
        weights: the weights file.
        few: whether only a few photos follow, so that ONNX Runtime's start, which is faster by seconds, counts more
            than PyTorch's speed.

    Returns:
        "torch" or "onnxruntime".
    """
    if missing_for_torch():
        return "onnxruntime"
    if not is_installed("onnxruntime") or not _has_graphs(variant, weights):
        return "torch"
    kind = str(device).partition(":")[0]
    if kind in PROVIDERS.keys() - {"cpu", "cuda"}:
        return "onnxruntime"
    if kind not in ("auto", "cpu") or (kind == "auto" and has_gpu_driver()) or precision not in ("auto", "float32"):
        return "torch"
    return "torch" if precision == "auto" and not few and cpu_lists_bfloat16() else "onnxruntime"


def open_network(
    runtime: str, variant: Variant, device: "str | torch.device", weights: Path, precision: str
) -> "TorchNetwork | OnnxNetwork":
    """Load a network.

    Raises:
        ValueError: the runtime is unknown; or as the network's class.
        MissingPackageError: the runtime is not installed; the message has the command to install it.
        FileNotFoundError, WeightsError: the weights cannot be used.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"unknown runtime {runtime!r}: choose one of {', '.join(RUNTIMES)}")
    if runtime == "auto":
        runtime = choose_runtime(variant, device, weights, precision)
    if runtime == "onnxruntime":
        return OnnxNetwork(variant, str(device), weights, precision)
    if missing := missing_for_torch():
        raise MissingPackageError(f"the runtime torch needs the package {missing}: {INSTALL_TORCH}")
    from .torch_network import TorchNetwork

    return TorchNetwork(variant, device, weights, precision)


def trouble_with_cuda() -> str:
    """Say why PyTorch cannot compute on a GPU here, or ""; PyTorch is loaded only where there is a driver."""
    if missing_for_torch():
        return f"PyTorch is not installed ({INSTALL_TORCH})"
    if "torch" in sys.modules or has_gpu_driver():
        import torch

        from .precision import trouble_with_gpu

        if torch.cuda.is_available():
            reason = trouble_with_gpu(torch.device("cuda"))
            return f"PyTorch cannot compute on this GPU ({reason})" if reason else ""
    return "PyTorch finds no NVIDIA GPU here"


def _has_graphs(variant: Variant, weights: Path) -> bool:
    """Tell whether ONNX Runtime can run a network; also where the weights cannot be read, which it reports."""
    if variant.bundled_file is None:
        return False
    try:
        return is_laid_out_as_bundled(weights, variant.bundled_file)
    except OSError:
        return True
