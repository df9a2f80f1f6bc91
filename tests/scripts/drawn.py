"""Portraits and galleries that the tests of training draw for themselves."""

import numpy as np
import torch

from training.augment import Sampler
from training.gallery import Layers, pyramid
from training.people import prepare
from training.portraits import Portrait


def draw_portrait(seed: int, height: int = 150, width: int = 120) -> Portrait:
    """A soft-edged ellipse that reaches the lower edge, before a gradient."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((x - width / 2) / (0.3 * width), (y - height) / (0.75 * height))
    alpha = (255 * np.clip((1.1 - radius) / 0.2, 0, 1)).astype(np.uint8)
    foreground = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (height, width, 3)).copy()
    background = np.dstack([np.linspace(0, 255, width)] * 3)[0] * rng.random(3)
    background = np.broadcast_to(background.astype(np.uint8), (height, width, 3)).copy()
    return Portrait(f"drawn_{seed}", foreground, background, alpha)


def sampler_of(portraits: list[Portrait], backgrounds: dict[str, list[np.ndarray]] | None = None) -> Sampler:
    """A sampler on the CPU; without backgrounds those of the portraits serve."""
    device = torch.device("cpu")
    pictures = {
        source: [pyramid(torch.from_numpy(picture).permute(2, 0, 1)) for picture in group]
        for source, group in (backgrounds or {}).items()
    }
    return Sampler([Layers.of(prepare(portrait), device) for portrait in portraits], pictures)
