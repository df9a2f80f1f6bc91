"""Imitate what light, cameras and codecs do to pictures: change whole batches, with random values for each sample.

Pictures are float [N, 3, H, W] RGB in [0, 1], on any device. Every function returns a new tensor.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .blur import blur

# The JPEG standard's example tables (ITU-T T.81, Annex K), for luminance and chrominance.
_LUMINANCE = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_CHROMINANCE = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99 "
    "99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"
)


@dataclass
class Dice:
    """Draws per sample, shaped [N, 1, 1, 1], from one generator."""

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
    """Light a person and what is behind them in ways that hide the person.

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
    return torch.where(dice.chance(0.4), jpeg(x, dice.uniform(35, 95)), x)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Quantise as baseline JPEG does, chrominance at half resolution.

    Args:
        x: RGB; height and width multiples of 16.
        quality: [N, 1, 1, 1], 1 to 100, as libjpeg counts, but for tables that are rounded down: a little finer.
    """
    red, green, blue = x.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = 0.564 * (blue - y), 0.713 * (red - y)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    y = _quantise(y.unsqueeze(1), _table(_LUMINANCE, scale))
    chroma = _quantise(F.avg_pool2d(torch.stack([cb, cr], 1), 2), _table(_CHROMINANCE, scale))
    cb, cr = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).unbind(1)
    y = y[:, 0]
    return torch.stack([y + 1.403 * cr, y - 0.714 * cr - 0.344 * cb, y + 1.773 * cb], 1).clamp(0, 1)


def _table(entries: str, scale: Tensor) -> Tensor:
    table = torch.tensor([float(entry) for entry in entries.split()], device=scale.device).view(1, 1, 1, 8, 1, 8)
    return ((table * scale.view(-1, 1, 1, 1, 1, 1)).floor().clamp(1, 255)) / 255


def _quantise(x: Tensor, table: Tensor) -> Tensor:
    n, c, h, w = x.shape
    k = torch.arange(8, device=x.device, dtype=x.dtype)
    dct = torch.cos(math.pi / 8 * k.unsqueeze(1) * (k + 0.5)) * math.sqrt(2 / 8)
    dct[0] *= math.sqrt(0.5)
    blocks = x.reshape(n, c, h // 8, 8, w // 8, 8)
    spectrum = torch.einsum("ui,ncaibj,vj->ncaubv", dct, blocks, dct)
    spectrum = (spectrum / table).round() * table
    return torch.einsum("ui,ncaubv,vj->ncaibj", dct, spectrum, dct).reshape(n, c, h, w)
