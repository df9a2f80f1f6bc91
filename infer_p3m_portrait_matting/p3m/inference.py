"""Mattes of whole photos: the HYBRID and RESIZE procedures of P3M-Net."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checkpoints.weights import expected_weights, find_weights, load_weights
from .fold import fold_batch_norms
from .imaging.images import check_image
from .model.network import FOREGROUND, UNKNOWN
from .model.registry import create_model, get_variant
from .preprocess import normalize, resize, to_tensor
from .sizes import STRIDE, pass_size

#: HYBRID: trimap from a global pass at low resolution, alpha from a local pass at high resolution.
#: RESIZE: one pass at low resolution, whose fused alpha is enlarged.
METHODS = ("HYBRID", "RESIZE")


class PortraitMatting:
    """A loaded network that mattes photos; make one and keep it.

    Args:
        model_name: one of :func:`~.registry.list_models`.
        device: "cpu", "cuda", "cuda:1" or a torch.device.
        weights: a published .pth file or a .safetensors file of :func:`~.weights.save_weights`; None takes the bundled
            file ("mobile") or the published file from the cache folder ("resnet34", "vitae-s").
        global_bound: long side in pixels that the global pass (and RESIZE) never exceeds; None takes the model's own.

    Raises:
        ValueError: the model is unknown.
        FileNotFoundError: the weights are not there; the message says where to put them.
        WeightsError: the weights cannot be used.
    """

    def __init__(
        self,
        model_name: str = "resnet34",
        device: str | torch.device = "cpu",
        weights: str | PathLike[str] | None = None,
        global_bound: int | None = None,
    ) -> None:
        self.model_name = model_name
        self.device = torch.device(device)
        self.global_bound = get_variant(model_name).global_bound if global_bound is None else global_bound
        if weights is None:
            weights = find_weights(model_name)
            if weights is None:
                raise FileNotFoundError(
                    f"no weights for {model_name!r}: put the published file at {expected_weights(model_name)}, "
                    "name a file by weights=..., or use model_name='mobile', whose weights are bundled"
                )
        #: The weights file in use.
        self.weights = Path(weights)
        model = create_model(model_name)
        load_weights(model, weights)
        model = fold_batch_norms(model.eval()).requires_grad_(False)
        self.model = model.to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def matte(
        self,
        image: np.ndarray,
        method: str = "HYBRID",
        input_size: int = 1024,
        after_pass: Callable[[], None] | None = None,
    ) -> np.ndarray:
        """Estimate a photo's alpha matte (Li et al. 2021, section 4.4).

        Args:
            image: uint8, uint16 or float in [0, 1]; [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA, whose
                alpha is ignored). Any size from 1 x 1 px. It is never changed.
            method: one of :data:`METHODS`.
            input_size: bound in pixels of the long side of what the network sees, at least 32.
            after_pass: called after each pass through the network; what it raises ends the run.

        Returns:
            float32 [H, W] in [0, 1], in memory of its own.

        Raises:
            TypeError: the image is no array or of an unknown dtype.
            ValueError: the image, the method or the input size is out of range.
        """
        check_image(image)
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
        if input_size < STRIDE:
            raise ValueError(f"input_size must be at least {STRIDE}, got {input_size}")
        photo = to_tensor(image, self.device)
        done = after_pass or (lambda: None)
        alpha = self._hybrid(photo, input_size, done) if method == "HYBRID" else self._resize(photo, input_size, done)
        return alpha[0, 0].cpu().numpy()

    def _resize(self, photo: Tensor, input_size: int, done: Callable[[], None]) -> Tensor:
        height, width = photo.shape[2:]
        alpha = self.model.fused_alpha(self._input(photo, input_size, local=False))
        done()
        return resize(alpha, height, width).clamp_(0, 1)

    def _hybrid(self, photo: Tensor, input_size: int, done: Callable[[], None]) -> Tensor:
        height, width = photo.shape[2:]
        classes = self.model.segment(self._input(photo, input_size, local=False)).argmax(1, keepdim=True)
        done()
        first = classes[..., :1, :1]
        if (classes == first).all() and first.item() != UNKNOWN:
            # Background or foreground everywhere: no local alpha could change a pixel.
            return (first == FOREGROUND).float().expand(1, 1, height, width).contiguous()
        local = resize(self.model.local_alpha(self._input(photo, input_size, local=True)), height, width)
        done()
        # Scaled, the classes 0, 1, 2 stay exactly 0 or 2 only where no other class is near: there they decide.
        trimap = resize(classes.float(), height, width)
        known = (trimap < _EXACT) | (trimap > 2 - _EXACT)
        return torch.where(known, (trimap > 1).float(), local.clamp_(0, 1))

    def _input(self, photo: Tensor, input_size: int, local: bool) -> Tensor:
        bound = None if local else self.global_bound
        size = pass_size(*photo.shape[2:], input_size, halve=not local, bound=bound)
        return normalize(resize(photo, *size)).contiguous(memory_format=torch.channels_last)


#: Slack for the rounding of the interpolation's weights.
_EXACT = 1e-4
