"""Run a network with PyTorch, on a CPU or an NVIDIA GPU."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..checkpoints.weights import fill, read_weights
from ..model.network import P3MNet
from ..model.prepare import prepare_for_inference
from ..model.registry import Variant, create_model
from .precision import choose_dtype, trouble_with_gpu, wider_than_float16
from .torch_settings import computing_settings, loading_settings

logger = logging.getLogger(__name__)

#: What errors say when a library below PyTorch finds no memory on the GPU.
_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "unable to find an engine")


class TorchNetwork:
    """A network of PyTorch, which takes and gives numpy arrays; see :class:`~.procedures.Network`.

    A CPU copies nothing. A GPU receives the input of each pass and sends back the result.

    Args:
        variant: the network's entry in the registry.
        device: as for :class:`~.portrait_matting.PortraitMatting`.
        weights: the weights file.
        precision: as for :class:`~.portrait_matting.PortraitMatting`.

    Attributes:
        model: the prepared network.
        device: the torch.device in use.
        weights: the weights file.

    Raises:
        ValueError: the device or the precision is unknown, or the device cannot compute in it.
        FileNotFoundError, WeightsError: the weights cannot be used.
    """

    model: P3MNet

    def __init__(self, variant: Variant, device: str | torch.device, weights: Path, precision: str) -> None:
        self.device = choose_device(device)
        self.weights = weights
        self._variant = variant
        self._load(choose_dtype(precision, self.device))

    @property
    def precision(self) -> str:
        """The number format in use: "float32", "bfloat16" or "float16"."""
        return self._precision

    def _load(self, dtype: torch.dtype) -> None:
        with loading_settings():
            # In this order, as reading a file takes twice its size.
            tensors = read_weights(self.weights)
            model = create_model(self._variant)
            fill(model, tensors, self.weights)
            del tensors
            self.model = prepare_for_inference(model, self.device, dtype, self._variant.exact)
        self._precision = str(dtype).removeprefix("torch.")

    def segment(self, x: np.ndarray) -> np.ndarray:
        """Compute the logits."""
        return self._compute(lambda model, x: model.segment(x), x)

    def local_alpha(self, x: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
        """Compute the local alpha; on a GPU, everywhere."""
        places = None if wanted is None else torch.from_numpy(wanted[:, None])
        return self._compute(lambda model, x: model.local_alpha(x, places), x)

    def fused_alpha(self, x: np.ndarray) -> np.ndarray:
        """Compute the fused alpha."""
        return self._compute(lambda model, x: model.fused_alpha(x), x)

    @torch.inference_mode()
    def _compute(self, run: Callable[[P3MNet, Tensor], Tensor], x: np.ndarray) -> np.ndarray:
        # Another thread may replace the network meanwhile.
        model = self.model
        try:
            with computing_settings(self.device):
                found = run(model, torch.from_numpy(x).to(self.device)).float().cpu()
        except RuntimeError as error:
            if self.device.type != "cuda" or not any(words in str(error) for words in _NO_MEMORY):
                raise
            # The frames of the failed run hold its feature maps, so clear them before freeing memory.
            traceback.clear_frames(error.__traceback__)
            torch.cuda.empty_cache()
            raise torch.OutOfMemoryError(str(error)) from None
        if model.dtype == torch.float16 and not found.isfinite().all():
            # Trained networks can leave only the range of float16.
            self._load(wider_than_float16(self.device))
            logger.warning(
                "the weights of %s leave the range of float16: computing in %s from now on",
                self._variant.name,
                self.precision,
            )
            return self._compute(run, x)
        return found.numpy()


def choose_device(device: str | torch.device) -> torch.device:
    """Return the device, or raise a ValueError that says why it cannot be used."""
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if trouble := trouble_with_gpu(torch.device("cuda")):
            logger.warning("PyTorch cannot compute on this GPU (%s): computing on the CPU", trouble)
            return torch.device("cpu")
        device = "cuda"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda", "mps"):
        raise ValueError(
            f'unknown device {device!r}: choose "auto", "cpu", "cuda", one GPU of several, "cuda:1", or "mps" on a Mac'
        )
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f'PyTorch finds no GPU of Apple for device {device!r}: choose "cpu"')
    if found.type == "cuda":
        if (found.index or 0) >= torch.cuda.device_count():
            raise ValueError(f'PyTorch finds no NVIDIA GPU for device {device!r}: choose "cpu"')
        if trouble := trouble_with_gpu(found):
            raise ValueError(f'PyTorch cannot compute on device {device!r} ({trouble}): choose "cpu"')
    return found
