"""Draw strands of hair with exact alpha on training samples.

Labels by other models are soft in hair. A network trained on them paints soft blobs. The alpha of a drawn strand is
known to a sixteenth of a pixel. ``python -m training.contact_sheet`` draws samples to look at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .blur import blur

#: Samples per pixel along each axis while strands are drawn.
SUPERSAMPLING = 4

_STEPS = 32  # bends of a strand
_SHADES = 32  # shades along a strand
_AT_ONCE = 2**22  # samples of strands in memory at a time
_FINE = 2**16  # steps of a colour
_DENSITY = 1.5  # dots a sample, along and across a strand


@dataclass(frozen=True)
class Style:
    """The look of one head of hair; lengths are shares of the sample's side unless stated otherwise.

    Attributes:
        count: number of strands.
        lock: most strands that start together at one place.
        length: of a strand.
        width: of a strand at its root, in pixels.
        spread: how far the directions of locks differ, in radians.
        flow: how much all hair follows one direction rather than the outline's normal; ``stream`` is its angle in
            radians, 0 to the right and pi / 2 down.
        stream: see ``flow``.
        bend: curvature along a strand, in radians.
        wave: how far a strand swings to both sides, in radians; ``waves`` of them along its length.
        waves: see ``wave``.
        flyaways: share of single strands that go their own way.
        recede: by how much the old outline recedes under the strands.
        gaps: share of strands that are gaps instead, through which the background shows.
        light: how far strands differ in lightness.
        rim: how much lighter tips are than roots, as under back light.
        blur: out of focus, sigma in pixels.
        radius: of the zone that has strands.
    """

    count: int
    lock: int
    length: float
    width: float
    spread: float
    flow: float
    bend: float
    wave: float
    waves: float
    flyaways: float
    recede: float
    gaps: float
    light: float
    rim: float
    blur: float
    radius: float
    stream: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        """Draw a style at random: straight, wavy, curly; sparse and dense; sharp and out of focus."""
        u = rng.random(24)

        def between(i: int, low: float, high: float) -> float:
            return low + (high - low) * u[i]

        def log_between(i: int, low: float, high: float) -> float:
            return math.exp(between(i, math.log(low), math.log(high)))

        curly = u[0] < 0.2
        return cls(
            count=int(log_between(1, 20, 1100)),
            lock=int(log_between(2, 1, 40)),
            length=log_between(3, 0.03, 0.12) if curly else log_between(3, 0.04, 0.4),
            width=log_between(4, 0.5, 2.8),
            spread=between(5, 0.1, 0.8),
            flow=between(6, 0, 1.6),
            bend=between(7, 0, 2.5),
            wave=between(9, 1.5, 3.2) if curly else between(9, 0, 1.2) * (u[8] < 0.5),
            waves=between(10, 1, 3) if curly else between(10, 0.7, 4),
            flyaways=between(11, 0, 0.35),
            recede=between(13, 0.004, 0.035) * (u[12] < 0.65),
            gaps=between(15, 0.05, 0.4) * (u[14] < 0.6),
            light=between(16, 0.05, 0.35),
            rim=between(18, 0.2, 1.6) * (u[17] < 0.3),
            blur=between(20, 0.4, 2.2) * (u[19] < 0.4),
            radius=between(21, 0.15, 0.7),
            stream=between(22, 0, 2 * math.pi) if u[23] < 0.5 else math.pi / 2 + between(22, -0.5, 0.5),
        )


def add_strands(
    foreground: Tensor, alpha: Tensor, hair: Tensor, styles: Sequence[Style], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw strands that grow from people's outlines.

    Args:
        foreground: float [N, 3, H, W] RGB in [0, 1].
        alpha: float [N, 1, H, W] in [0, 1].
        hair: float [N, 1, H, W] in [0, 1]: how likely strands start at a pixel.
        styles: one for each of the N samples.
        rng: source of all randomness.

    Returns:
        New foreground and alpha of the same shapes. A sample without a possible root stays unchanged.
    """
    generator = torch.Generator(alpha.device).manual_seed(int(rng.integers(2**62)))
    _, _, height, width = alpha.shape
    size = math.sqrt(height * width)
    table = torch.tensor([[float(getattr(style, f.name)) for f in fields(Style)] for style in styles])
    look = dict(zip((f.name for f in fields(Style)), table.to(alpha.device).unbind(1), strict=True))

    soft = blur(alpha, max(0.012 * size, 2.0))[:, 0]
    # Roots lie a little inside the outline.
    ring = hair[:, 0] * (alpha[:, 0] > 0.6) * torch.exp(-((soft - 0.65) / 0.15).square())
    ring = F.pad(ring[:, 3:-3, 3:-3], (3, 3, 3, 3))
    rooted = (ring.sum((1, 2)) > 0.02 * size).view(-1, 1, 1, 1)
    center = torch.multinomial(ring.flatten(1) + 1e-12, 1, generator=generator)
    rows = torch.arange(height, device=alpha.device).view(1, -1, 1) - (center // width).view(-1, 1, 1)
    columns = torch.arange(width, device=alpha.device).view(1, 1, -1) - (center % width).view(-1, 1, 1)
    away = (rows.square() + columns.square()).sqrt() / (look["radius"] * size).view(-1, 1, 1)
    zone = (1.6 * (1 - away)).clamp(0, 1)

    strands = _curves(styles, look, ring * zone, soft, rng, generator)
    root = strands.points[:, 0].round().long()
    row, column = root[:, 0].clamp(0, height - 1), root[:, 1].clamp(0, width - 1)
    color = foreground[strands.sample, :, row, column] * strands.lightness.unsqueeze(1)
    # A root beside the person would have the background's colour.
    strands.radii.mul_(alpha[strands.sample, 0, row, column] > 0.5)

    core = alpha
    zone = zone.unsqueeze(1)
    recede = look["recede"].view(-1, 1, 1, 1)
    noise = torch.rand(len(alpha), 1, 5 + height // 24, 5 + width // 24, generator=generator, device=alpha.device)
    noise = F.interpolate(noise, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)
    inner = blur(alpha, (look["recede"] * size).clamp(min=0.5))
    receded = ((inner - 0.5 - 0.45 * zone * noise) * 8 + 0.5).clamp(0, 1)
    core = torch.where(recede > 0, torch.minimum(core, receded.lerp(torch.ones_like(core), 1 - zone)), core)
    gap = strands.gap
    _, holes = render(strands.points[gap], strands.radii[gap], None, strands.sample[gap], alpha.shape)
    core = core * (1 - holes * zone)
    rim = look["rim"][strands.sample]
    paint = torch.cat([color, rim.unsqueeze(1)], 1)[~gap]
    drawn = torch.cat(render(strands.points[~gap], strands.radii[~gap], paint, strands.sample[~gap], alpha.shape), 1)
    drawn = torch.where(look["blur"].view(-1, 1, 1, 1) > 0, blur(drawn, look["blur"]), drawn)
    color, covered = drawn[:, :3], drawn[:, 3:]
    behind = (1 - covered) * core
    merged = covered + behind
    mixed = (color + behind * foreground) / merged.clamp(min=1e-4)
    mixed = torch.where(rooted & (merged > 1e-3), mixed, foreground).clamp(0, 1)
    return mixed, torch.where(rooted, merged.clamp(0, 1), alpha)


def render(
    points: Tensor,
    radii: Tensor,
    paint: Tensor | None,
    sample: Tensor,
    shape: Sequence[int],
    samples: int = SUPERSAMPLING,
) -> tuple[Tensor, Tensor]:
    """Draw strands; later ones lie on top, and each narrows to a third at its tip.

    Args:
        points: float [S, T, 2], rows and columns in pixels (pixel centres at integers) along each strand.
        radii: float [S], half the width at the root in pixels; 0 leaves a strand out.
        paint: float [S, 4], RGB and how much lighter a tip is than its root; None draws no colours.
        sample: int [S], which picture a strand belongs to.
        shape: N, any, height and width of the pictures.
        samples: samples per pixel along each axis.

    Returns:
        Premultiplied colour, float [N, 3, height, width], zeros without ``paint``; and alpha, float
        [N, 1, height, width], exact to one sample.
    """
    count, _, height, width = shape
    high, wide = height * samples, width * samples
    canvas = torch.zeros(count * high * wide, dtype=torch.int32, device=points.device)
    _trace(canvas, points, radii, sample, high, wide, samples)
    covered = canvas.nonzero()[:, 0]
    pixel = covered // (high * wide) * height + covered % (high * wide) // (wide * samples)
    pixel = pixel * width + covered % wide // samples
    # Integer sums do not depend on their order, so a GPU gives the same picture twice.
    coverage = torch.zeros(count * height * width, dtype=torch.int32, device=points.device)
    coverage.index_add_(0, pixel, torch.ones_like(pixel, dtype=torch.int32))
    alpha = coverage.view(count, 1, height, width) / samples**2
    if paint is None:
        return points.new_zeros(count, 3, height, width), alpha
    number = canvas[covered] - 1
    layers = paint[number // _SHADES]
    brighter = 1 + layers[:, 3:] * (number % _SHADES).unsqueeze(1) / (_SHADES - 1)
    dots = (layers[:, :3] * brighter).clamp(0, 1).mul_(_FINE).int()
    color = torch.zeros(count * height * width, 3, dtype=torch.int32, device=points.device).index_add_(0, pixel, dots)
    return (color.view(count, height, width, 3) / (_FINE * samples**2)).permute(0, 3, 1, 2), alpha


def _trace(canvas: Tensor, points: Tensor, radii: Tensor, sample: Tensor, high: int, wide: int, samples: int) -> None:
    """Write the number and shade of the topmost strand to the canvas, at every sample of a strand."""
    bends = points.shape[1]
    length = (points[:, 1:] - points[:, :-1]).norm(dim=2).sum(1)
    # So dense, along and across, that a dot falls on every sample whose centre a strand covers.
    along = (samples * length * _DENSITY).int() + bends
    across = (2 * radii * samples * _DENSITY).ceil().int() + 1
    visible = torch.where(radii > 0, along * across, 0).long()
    ends, total = visible.cumsum(0), int(visible.sum())
    for start in range(0, total, _AT_ONCE):
        dot = torch.arange(start, min(start + _AT_ONCE, total), device=points.device)
        strand = torch.searchsorted(ends, dot, right=True)
        dot = (dot - (ends - visible)[strand]).int()
        t = (dot // across[strand]).float() / along[strand]
        side = ((dot % across[strand]) + 0.5) / across[strand] * 2 - 1
        place = t * (bends - 1)
        low = place.int().clamp(max=bends - 2)
        begin, end = points[strand, low], points[strand, low + 1]
        path = (torch.lerp(begin, end, (place - low).unsqueeze(1)) + 0.5) * samples
        ahead = F.normalize(end - begin, dim=1)
        half = radii[strand] * (1 - 0.65 * t) * samples
        row = (path[:, 0] - ahead[:, 1] * half * side).floor()
        column = (path[:, 1] + ahead[:, 0] * half * side).floor()
        away = (column + 0.5 - path[:, 1]) * ahead[:, 0] - (row + 0.5 - path[:, 0]) * ahead[:, 1]
        row, column = row.long(), column.long()
        seen = (row >= 0) & (row < high) & (column >= 0) & (column < wide) & (away.abs() <= half)
        value = strand.int() * _SHADES + (t * (_SHADES - 1)).round().int() + 1
        # Dots outside are written as nothing to a nearby place: a single place for all would be a bottleneck.
        flat = (sample[strand] * high + row.clamp(0, high - 1)) * wide + column.clamp(0, wide - 1)
        canvas.scatter_reduce_(0, flat, torch.where(seen, value, 0), "amax")


class _Strands(NamedTuple):
    """Strands of all samples: points [S, T, 2], the others [S]."""

    points: Tensor
    radii: Tensor
    lightness: Tensor
    gap: Tensor
    sample: Tensor


def _curves(
    styles: Sequence[Style],
    look: dict[str, Tensor],
    roots: Tensor,
    soft: Tensor,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> _Strands:
    """Lay strands out: roots on ``roots`` [N, H, W], directions away from where ``soft`` [N, H, W] rises."""
    device = soft.device
    height, width = soft.shape[1:]
    size = math.sqrt(height * width)
    locks = [max(style.count // max((style.lock + 1) // 2, 1), 1) for style in styles]
    first = np.cumsum([0, *locks[:-1]])
    # Every lock has a leader; the other strands choose a lock each.
    members = [
        np.concatenate([np.arange(n), rng.integers(n, size=style.count - n)]) + start
        for style, n, start in zip(styles, locks, first, strict=True)
    ]
    number = np.arange(len(styles))
    index = torch.from_numpy(
        np.concatenate(
            [np.repeat(number, locks), np.repeat(number, [len(m) for m in members]), np.concatenate(members)]
        )
    ).to(device)
    of_lock, sample, lock = index.split([sum(locks), (len(index) - sum(locks)) // 2, (len(index) - sum(locks)) // 2])
    count, total = len(sample), len(of_lock)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    of = {name: values[of_lock] for name, values in look.items()}
    own = {name: values[sample] for name, values in look.items()}
    drawn = torch.multinomial(roots.flatten(1) + 1e-12, max(locks), replacement=True, generator=generator)
    within = torch.from_numpy(np.concatenate([np.arange(n) for n in locks])).to(device)
    drawn = drawn[of_lock, within]
    row, column = drawn // width, drawn % width
    place = torch.stack([row, column], 1).float()
    down, right = torch.gradient(soft, dim=(1, 2))
    normals = -F.normalize(torch.stack([down[of_lock, row, column], right[of_lock, row, column]], 1), dim=1)
    pull = of["flow"] * uniform(total)
    down, right = normals[:, 0] + pull * of["stream"].sin(), normals[:, 1] + pull * of["stream"].cos()
    angle = torch.atan2(down, right) + of["spread"] * normal(total)
    length = of["length"] * size * torch.exp(0.4 * normal(total))
    bend, phase = of["bend"] * normal(total), 2 * math.pi * uniform(total)

    free = uniform(count) < own["flyaways"]
    recede = own["recede"] * size
    deep = recede * (0.5 + uniform(count)) + 1 + 5 * uniform(count)
    scatter = (1 + 0.15 * own["lock"]).unsqueeze(1) * normal(count, 2)
    start = place[lock] - normals[lock] * deep.unsqueeze(1) + scatter
    angle = angle[lock] + torch.where(free, 0.7, 0.1) * normal(count)
    bend = bend[lock] + torch.where(free, 1.5, 0.25) * normal(count)
    phase = phase[lock] + 0.3 * normal(count)
    length = (length[lock] + recede) * torch.exp(0.2 * normal(count))
    t = torch.linspace(0, 1, _STEPS, device=device)
    swing = own["wave"] * torch.exp(0.2 * normal(count))
    turns = phase.unsqueeze(1) + 2 * math.pi * own["waves"].unsqueeze(1) * t
    direction = angle.unsqueeze(1) + bend.unsqueeze(1) * t + swing.unsqueeze(1) * torch.sin(turns)
    walk = torch.stack([direction.sin(), direction.cos()], 2) * (length / (_STEPS - 1)).view(-1, 1, 1)
    walk[:, 0] = 0
    points = start.unsqueeze(1) + walk.cumsum(1)
    # The tips of a lock converge.
    leader = points[_leaders(members, locks, device)][lock]
    together = (0.6 * uniform(total))[lock] * ~free
    points = points.lerp(leader, (together.unsqueeze(1) * t.square()).unsqueeze(2))
    radii = 0.5 * own["width"] * torch.exp(0.3 * normal(count)).clamp(0.5, 2)
    lightness = torch.exp(own["light"] * 0.6 * (normal(total)[lock] + normal(count)))
    return _Strands(points, radii, lightness, uniform(count) < own["gaps"], sample)


def _leaders(members: list[np.ndarray], locks: list[int], device: torch.device) -> Tensor:
    """Return the strand that leads each lock: the first ones of every sample."""
    starts = np.cumsum([0, *(len(m) for m in members[:-1])])
    return torch.from_numpy(np.concatenate([start + np.arange(n) for start, n in zip(starts, locks, strict=True)])).to(
        device
    )
