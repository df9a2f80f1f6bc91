"""Turn photos into network inputs."""

from collections.abc import Sequence

import numpy as np

from ..model.channels import IMAGENET_MEAN, IMAGENET_STD
from .scaling import resize


def network_input(photos: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Resize photos to one size and normalise them.

    Args:
        photos: uint8, uint16 or float in [0, 1], [H, W, 3] RGB of any sizes; they are never written to.
        height: the network's height in pixels.
        width: the network's width in pixels.

    Returns:
        float32 [N, 3, height, width]. In memory the channels of a pixel are neighbours (channels_last).
    """
    out = np.empty((len(photos), height, width, 3), np.float32)
    mean, std = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    for x, photo in zip(out, photos, strict=True):
        # A resized photo has one plane a channel in memory: arithmetic on it is faster there than in ``x``.
        normalised = resize(photo, height, width) - mean
        normalised /= std
        x[...] = normalised
    return out.transpose(0, 3, 1, 2)
