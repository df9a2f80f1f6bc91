"""Rebuild the published procedure from its description, and make weights on which to compare it with ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.measure import photo
from infer_p3m_portrait_matting.p3m import create_model, load_weights, save_weights
from infer_p3m_portrait_matting.p3m.model import decoders
from infer_p3m_portrait_matting.p3m.model.channels import FOREGROUND, IMAGENET_MEAN, IMAGENET_STD, UNKNOWN
from infer_p3m_portrait_matting.p3m.model.encoders import resnet34, vitae_s

INPUT_SIZE = 1024

#: The models on which both ways are compared; mobile has no published weights, but the procedure runs it too.
MODELS = ("resnet34", "vitae-s", "mobile")


def write_random_weights(model_name: str, path: Path) -> None:
    """Save seeded random weights under which the network behaves like a trained one.

    Activations keep a sensible size through all layers (batch-norm statistics are taken from the photo), and the
    segmentation sees all three classes, so that both passes have work to do.

    Args:
        model_name: a model of the core.
        path: the file, with suffix ``.safetensors``.
    """
    torch.manual_seed(0)
    model = create_model(model_name)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            # Average over all batches seen, instead of a moving one: a single batch sets the statistics.
            module.momentum = None
    x = published_input(photo(), 320, 192)
    with torch.no_grad():
        model.train()(x)
        # The classes' logits, scaled to one mean and spread: each class wins somewhere.
        logits = model.eval()(x).logits
        mean, std = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
        head = model.segmentation.head[-1]
        assert isinstance(head, nn.Conv2d)
        head.weight.div_(std.view(-1, 1, 1, 1))
        assert head.bias is not None
        head.bias.sub_(mean).div_(std)
    save_weights(model, path)


class PublishedProcedure:
    """Matte by HYBRID as the published code runs it, rebuilt from its description.

    Both passes compute all six outputs, in contiguous float32 memory, with separate batch normalisation and PyTorch's
    own max-unpooling. Each side of an image is capped separately, images shrink without anti-aliasing, and numpy works
    between the passes.

    Args:
        model_name: a model of the core.
        weights: its weights file.
        device: where the network runs; numpy computes on the CPU.
        input_size: cap of each side in pixels.
    """

    def __init__(self, model_name: str, weights: Path, device: str = "cpu", input_size: int = INPUT_SIZE) -> None:
        self.model = create_model(model_name)
        load_weights(self.model, weights)
        self.model.eval().to(device)
        self.device, self.input_size = device, input_size

    def matte(self, image: np.ndarray) -> np.ndarray:
        """Estimate the alpha of uint8 RGB [H, W, 3]: float32 [H, W] in [0, 1]."""
        height, width = image.shape[:2]
        logits, _ = self.run(image, *(self.cap(side // 2) for side in (height, width)))
        classes = logits.argmax(0)
        trimap = np.zeros(classes.shape, np.float32)
        trimap[classes == UNKNOWN] = 128
        trimap[classes == FOREGROUND] = 255
        trimap = cv2.resize(trimap, (width, height))
        _, alpha = self.run(image, *(self.cap(side) for side in (height, width)))
        alpha = cv2.resize(alpha, (width, height))
        alpha[trimap == 0] = 0
        alpha[trimap == 255] = 1
        return alpha

    def run(self, image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Compute all outputs at one size; return the logits [3, height, width] and the local alpha [height, width]."""
        with torch.no_grad(), _published_unpooling():
            output = self.model(published_input(image, height, width).to(self.device))
        return output.logits[0].cpu().numpy(), output.local_alpha[0, 0].cpu().numpy()

    def cap(self, side: int) -> int:
        """Return the side in pixels at which the published code runs a photo's side."""
        return min(side // 32 * 32, self.input_size)


@contextmanager
def _published_unpooling() -> Iterator[None]:
    """Let the networks pool and unpool by PyTorch's own kernels."""

    def pool(x: Tensor, kernel: int, padding: int) -> tuple[Tensor, Tensor]:
        return F.max_pool2d(x, kernel, 2, padding, return_indices=True)

    def max_unpool(x: Tensor, indices: Tensor, overlapping: bool) -> Tensor:
        return F.max_unpool2d(x, indices, [2, 2], [2, 2])

    with (
        patch.object(resnet34, "pool", pool),
        patch.object(vitae_s, "pool", pool),
        patch.object(decoders, "max_unpool", max_unpool),
    ):
        yield


def published_input(image: np.ndarray, height: int, width: int) -> Tensor:
    """Shrink and normalise uint8 RGB [H, W, 3] as the published code does: float32 [1, 3, height, width]."""
    x = cv2.resize(image, (width, height)).astype(np.float32) / 255
    x = (x - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1))[None])
