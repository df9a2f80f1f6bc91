"""Imitate what light, cameras and codecs do to pictures: change whole batches, with random values for each sample.

Pictures are float [N, 3, H, W] RGB in [0, 1], on any device. Every function returns a new tensor.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .blur import blur


@dataclass
class Dice:
    """Random draws for each sample, shaped [N, 1, 1, 1], from one generator."""

    generator: torch.Generator
    count: int

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw numbers between ``low`` and ``high``."""
        u = torch.rand(self.count, 1, 1, 1, generator=self.generator, device=self.generator.device)
        return low + (high - low) * u

    def normal(self, sigma: float, channels: int = 1) -> Tensor:
        """Draw numbers around 0, [N, channels, 1, 1]."""
        shape = (self.count, channels, 1, 1)
        return sigma * torch.randn(shape, generator=self.generator, device=self.generator.device)

    def chance(self, share: float) -> Tensor:
        """Draw True for about ``share`` of the samples."""
        return self.uniform() < share


def recolor(x: Tensor, dice: Dice, strength: float = 1.0) -> Tensor:
    """Change gamma, white balance, exposure, saturation and contrast; one sample in 25 loses its colours."""
    x = x.clamp(1e-4, 1) ** torch.exp(dice.normal(0.22 * strength))
    x = x * torch.exp(dice.normal(0.07 * strength, 3) + dice.normal(0.14 * strength))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (torch.exp(dice.normal(0.25 * strength)) * ~dice.chance(0.04))
    middle = x.mean((1, 2, 3), keepdim=True)
    return (middle + (x - middle) * torch.exp(dice.normal(0.15 * strength))).clamp(0, 1)


def relight(person: Tensor, backdrop: Tensor, dice: Dice) -> tuple[Tensor, Tensor]:
    """Change the light on a person and on the backdrop in ways that hide the person.

    These are silhouettes before a bright backdrop, light from one side, dark on dark, pale on pale, and a backdrop in
    the person's own mean colour.

    Args:
        person: the foreground's colours.
        backdrop: the background's colours.
        dice: for the same number of samples.

    Returns:
        Person and backdrop.
    """
    kind = dice.uniform()
    silhouette, dark, pale, alike = kind < 0.12, (kind > 0.12) & (kind < 0.2), (kind > 0.2) & (kind < 0.27), kind > 0.88
    dim = torch.exp(dice.uniform(math.log(0.03), math.log(0.4)))
    lift = dice.uniform(0.3, 0.8)
    side = _ramp(person, dice)
    person = torch.where(dice.chance(0.2), person * side, person)
    person = torch.where(silhouette | dark, person * dim, person)
    backdrop = torch.where(dark, backdrop * dim * dice.uniform(0.5, 2), backdrop)
    person = torch.where(pale, person + (1 - person) * lift, person)
    backdrop = torch.where(pale, backdrop + (1 - backdrop) * lift, backdrop)
    backdrop = torch.where(silhouette & dice.chance(0.6), backdrop + (1 - backdrop) * lift, backdrop)
    own = person.mean((2, 3), keepdim=True)
    other = backdrop.mean((2, 3), keepdim=True)
    backdrop = torch.where(alike, backdrop - other + own + dice.normal(0.04, 3), backdrop)
    return person.clamp(0, 1), backdrop.clamp(0, 1)


def _ramp(like: Tensor, dice: Dice) -> Tensor:
    """Return light that falls off across the picture, [N, 1, H, W], from bright to a fraction."""
    height, width = like.shape[2:]
    angle = dice.uniform(0, 2 * math.pi)
    rows = torch.linspace(-1, 1, height, device=like.device).view(1, 1, -1, 1)
    columns = torch.linspace(-1, 1, width, device=like.device).view(1, 1, 1, -1)
    across = torch.sin(angle) * rows + torch.cos(angle) * columns
    soft = torch.sigmoid((across + dice.uniform(-0.5, 0.5)) * dice.uniform(2, 8))
    low = dice.uniform(0.05, 0.5)
    return (low + (1 - low) * soft) * dice.uniform(1, 1.5)


def defocus(x: Tensor, dice: Dice, share: float, parts: int = 40) -> Tensor:
    """Blur a share of the samples, as a lens does with what is out of focus.

    Args:
        x: pictures.
        dice: of as many samples.
        share: between 0 and 1.
        parts: the largest sigma is the height over this.
    """
    sigma = torch.exp(dice.uniform(math.log(0.5), math.log(x.shape[2] / parts))).flatten()
    return torch.where(dice.chance(share), blur(x, sigma), x)


def degrade(x: Tensor, dice: Dice) -> Tensor:
    """Soften, sharpen, add noise, turn black and white, and compress a share of the samples each, as cameras do."""
    soft = blur(x, 1.0)
    amount = dice.uniform(0.2, 1.0)
    softer, sharper = dice.chance(0.2), dice.chance(0.25)
    x = torch.where(softer, x.lerp(soft, amount), x)
    x = torch.where(sharper & ~softer, x + (x - soft) * 1.2 * amount, x).clamp(0, 1)
    noise = torch.randn(x.shape, generator=dice.generator, device=x.device)
    coarse = 2.0 * blur(noise, 0.8)
    grain = torch.where(dice.chance(0.4), coarse, noise)
    grain = torch.where(dice.chance(0.4), grain.mean(1, keepdim=True) * 1.7, grain)
    x = torch.where(dice.chance(0.4), x + dice.uniform(0.003, 0.04) * grain, x)
    x = torch.where(dice.chance(0.07), x.mean(1, keepdim=True), x).clamp(0, 1)
    compressed, quality = dice.chance(0.4).flatten(), dice.uniform(35, 95)
    x[compressed] = jpeg(x[compressed], quality[compressed])
    return x


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Compress pictures as JPEG does, chrominance at half resolution, and decompress them.

    OpenCV's codec does this on CPU threads, whatever the device of ``x``. Samples are therefore the same on all
    devices. No gradient passes.

    Args:
        x: RGB pictures.
        quality: [N, 1, 1, 1], 1 to 100, as libjpeg counts; fractions are dropped.
    """
    # OpenCV takes BGR.
    pixels = x.mul(255).round().to("cpu", torch.uint8).flip(1).permute(0, 2, 3, 1).contiguous()
    with ThreadPoolExecutor() as threads:
        decoded = list(threads.map(_through_codec, pixels.numpy(), quality.flatten().int().tolist()))
    if not decoded:
        return x
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).flip(1).to(x).div(255)


def _through_codec(pixels: np.ndarray, quality: int) -> np.ndarray:
    _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    assert picture is not None
    return picture
