"""Turn portraits and backgrounds into batches of training samples, on the device where the network trains.

A composite's alpha is true by construction, however rough the matte that made it. So most samples are composites, and
even people before their own background are recomposed from estimated colours.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .gallery import ALPHA, BACKGROUND, FOREGROUND, HAIR, Layers, Window, cut
from .photography import Dice, defocus, degrade, recolor, relight
from .strands import Style, add_strands
from .trimaps import narrow_at_bodies, odd_unknown, trimap


class Batch(NamedTuple):
    """Training samples, N pictures of H x W px.

    Attributes:
        image: float [N, 3, H, W] RGB in [0, 1].
        alpha: float [N, 1, H, W] in [0, 1].
        trimap: int64 [N, H, W]; 0 background, 1 unknown, 2 foreground.
        contrast: float [N, 1, H, W], mean over RGB of abs(F - B): what a wrong alpha costs in the composite.
    """

    image: Tensor
    alpha: Tensor
    trimap: Tensor
    contrast: Tensor

    def mirrored(self) -> "Batch":
        """Return the same samples, mirrored left to right."""
        return Batch(*(tensor.flip(-1) for tensor in self))


@dataclass(frozen=True)
class Recipe:
    """What samples are made of; shares lie between 0 and 1.

    Attributes:
        close_ups: share of close-ups; the others are whole views.
        close_up: range of a close-up's side, as a share of the largest that fits the photo.
        composites: share of samples whose person stands before another background than the photo's own.
        keyed: share of people from sources with true hair (:data:`KEYED`); below 0 they are drawn like all others.
        strands: share of composites on which strands are drawn.
        others: share of composites with a second person.
        objects: share of samples with non-person objects behind the person.
        empty: share of samples without any person.
        turned: share of composites turned by up to :data:`TURN` degrees.
        relit: share of samples whose light hides the person.
        blurred: share of samples that are blurred as a whole, as photos of few pixels or out of focus are: else what is
            blurred seems to be background.
        unknown: smallest and largest radius of the unknown band, in pixels at 512 px.
        at_bodies: the same radii where the outline is not hair (:func:`~.trimaps.narrow_at_bodies`), or None: as wide
            as at hair.
        blobs: share of samples whose unknown area extends into body and background.
        far: share of composites whose person is small: down to a tenth of the picture's height.
        lying: share of composites turned by a quarter.
    """

    close_ups: float = 0.0
    close_up: tuple[float, float] = (0.3, 0.7)
    composites: float = 0.6
    keyed: float = -1.0
    strands: float = 0.0
    others: float = 0.2
    objects: float = 0.4
    empty: float = 0.03
    turned: float = 0.2
    relit: float = 0.35
    blurred: float = 0.0
    unknown: tuple[float, float] = (7.0, 15.0)
    at_bodies: tuple[float, float] | None = None
    blobs: float = 0.0
    far: float = 0.0
    lying: float = 0.0


#: Sources whose mattes are true down to single strands, by the prefix of their files' names.
KEYED = ("lon_", "can_")
#: Sources that were squeezed to squares: their true aspect is unknown.
SQUEEZED = ("hum_",)
#: Largest turn of a composite, in degrees.
TURN = 30
#: A photo that its person fills by more than this shows little background, so it is drawn less often.
FULL = 0.6


class Sampler:
    """Draws batches.

    Args:
        portraits: the source of people.
        backgrounds: pictures without people (pyramids of uint8 [3, h, w]) by their source. All sources are drawn
            equally often, so that a large one does not dominate. Without any, other portraits' backgrounds serve.
    """

    def __init__(self, portraits: list[Layers], backgrounds: dict[str, list[tuple[Tensor, ...]]]) -> None:
        if not portraits:
            raise ValueError("there are no portraits to draw from")
        self.portraits = portraits
        self.backgrounds = list(backgrounds.values())
        self.device = portraits[0].levels[0].device
        self.keyed = [p for p in portraits if p.name.startswith(KEYED)]
        self.plain = [p for p in portraits if not p.name.startswith(KEYED)] or portraits

    @torch.no_grad()
    def batch(self, recipe: Recipe, count: int, height: int, width: int, seed: tuple[int, ...]) -> Batch:
        """Draw a batch; it depends only on the arguments and the device.

        Args:
            recipe: what the samples are made of.
            count: number of samples.
            height, width: in pixels, multiples of 16.
            seed: any integers, for example the seed and the step of a training.
        """
        rng = np.random.default_rng(seed)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        dice = Dice(generator, count)
        composite = rng.random(count) < recipe.composites
        empty = rng.random(count) < recipe.empty
        layers, close = self._people(recipe, composite, height, width, rng)
        foreground, own, alpha = layers[:, FOREGROUND], layers[:, BACKGROUND], layers[:, ALPHA]
        alpha = torch.where(self._flag(empty), 0.0, alpha)

        changed = self._flag(composite | empty)
        behind = self._backgrounds(dice, height, width, rng)
        backdrop = torch.where(changed, recolor(behind, dice), own)
        if recipe.objects:
            backdrop = self._objects(backdrop, recipe.objects, rng, dice)
        foreground = torch.where(changed, recolor(foreground, dice), foreground)
        foreground, alpha = self._others(foreground, alpha, recipe, composite & ~empty & ~close, rng, dice, generator)
        lit, dimmed = relight(foreground, backdrop, dice)
        relit = dice.chance(recipe.relit) & changed
        foreground, backdrop = torch.where(relit, lit, foreground), torch.where(relit, dimmed, backdrop)

        image = alpha * foreground + (1 - alpha) * backdrop
        contrast = (foreground - backdrop).abs().mean(1, keepdim=True)
        image = torch.where(dice.chance(0.7), recolor(image, dice), image)
        if recipe.blurred:
            image = defocus(image, dice, recipe.blurred, 90)
        image = degrade(image, dice)
        side = max(height, width)
        classes = trimap(alpha, self._radii(recipe.unknown, count, side, rng))
        if recipe.at_bodies is not None:
            radius = self._radii(recipe.at_bodies, count, side, rng)
            classes = narrow_at_bodies(classes, alpha, layers[:, HAIR], radius)
        if recipe.blobs:
            classes = odd_unknown(classes, recipe.blobs, generator)
        return Batch(image, alpha, classes, contrast)

    def _radii(self, bounds: tuple[float, float], count: int, side: int, rng: np.random.Generator) -> Tensor:
        """Draw radii of the unknown band, int [N]; the bounds are pixels at 512 px."""
        low, high = (round(r * side / 512) for r in bounds)
        return torch.from_numpy(rng.integers(low, high + 1, count)).to(self.device)

    def _flag(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device, non_blocking=True).view(-1, 1, 1, 1)

    def _portrait(self, recipe: Recipe, rng: np.random.Generator) -> Layers:
        if recipe.keyed < 0 or not self.keyed:
            pool = self.portraits
        else:
            pool = self.keyed if rng.random() < recipe.keyed else self.plain
        return pool[rng.integers(len(pool))]

    def _people(
        self, recipe: Recipe, composite: np.ndarray, height: int, width: int, rng: np.random.Generator
    ) -> tuple[Tensor, np.ndarray]:
        """Return layers of one person each, float [N, 8, H, W], and which of them are close-ups."""
        close = rng.random(len(composite)) < recipe.close_ups
        pictures, windows = [], []
        for extend, near in zip(composite.tolist(), close.tolist(), strict=True):
            portrait = self._portrait(recipe, rng)
            if not near and portrait.share > FULL and rng.random() < 0.7:
                portrait = self._portrait(recipe, rng)
            pictures.append(portrait.levels)
            windows.append(self._window(portrait, recipe, height / width, extend, near, rng))
        layers = cut(pictures, windows, height, width)
        chosen = np.flatnonzero(composite & (rng.random(len(composite)) < recipe.strands))
        # A few at a time: drawing takes a hundred megabytes per sample.
        for part in np.array_split(chosen, max(math.ceil(len(chosen) / 16), 1)) if len(chosen) else ():
            index = torch.from_numpy(part).to(self.device)
            some = layers[index]
            foreground, alpha, hair = some[:, FOREGROUND], some[:, ALPHA], some[:, HAIR]
            # Now and then strands grow anywhere: fur, fringes and grass are thin too.
            hair = torch.where(self._flag(rng.random(len(part)) < 0.12), alpha, hair)
            styles = [Style.draw(rng) for _ in part]
            some[:, FOREGROUND], some[:, ALPHA] = add_strands(foreground, alpha, hair, styles, rng)
            layers[index] = some
        return layers, close

    def _window(
        self,
        portrait: Layers,
        recipe: Recipe,
        aspect: float,
        extend: bool,
        close: bool,
        rng: np.random.Generator,
    ) -> Window:
        """Choose the window to cut.

        A composite may reach beyond the frame, but only on sides that the person does not touch: a person cut off in
        the middle of a picture would teach nothing true.
        """
        h, w = portrait.size
        jitter = 0.35 if portrait.name.startswith(SQUEEZED) else 0.12
        aspect *= math.exp(rng.uniform(-jitter, jitter))
        lying = extend and not close and recipe.lying > 0 and rng.random() < recipe.lying
        if lying:
            aspect = 1 / aspect
        top, left, bottom, right = 0.0, 0.0, float(h), float(w)
        if extend and not close:
            reach = 1.2 if rng.random() < 0.15 else 0.5
            if recipe.far and rng.random() < recipe.far:
                reach = rng.uniform(1.2, 5.0)
            room = rng.uniform(0, reach, 4) * max(h, w)
            touches = portrait.touches
            top -= 0 if touches[0] else room[0]
            bottom += 0 if touches[1] else room[1]
            left -= 0 if touches[2] else room[2]
            right += 0 if touches[3] else room[3]
        frame_h, frame_w = bottom - top, right - left
        share = rng.uniform(*recipe.close_up) if close else rng.choice([rng.uniform(0.75, 1), rng.uniform(0.4, 1)])
        size = min(frame_h, frame_w * aspect) * share
        crop_h, crop_w = max(size, 32.0), max(size / aspect, 32.0)
        y = top + rng.random() * max(frame_h - crop_h, 0.0)
        x = left + rng.random() * max(frame_w - crop_w, 0.0)
        if close and rng.random() < 0.85:
            places = portrait.strands if rng.random() < 0.6 and len(portrait.strands) else portrait.edges
            if len(places):
                row, column = places[rng.integers(len(places))] + rng.normal(0, 0.15, 2) * (crop_h, crop_w)
                y = float(np.clip(row - crop_h / 2, top, max(bottom - crop_h, top)))
                x = float(np.clip(column - crop_w / 2, left, max(right - crop_w, left)))
        if lying:
            # The rectangle turns about its centre, so its sides change places first.
            y, x, crop_h, crop_w = y + (crop_h - crop_w) / 2, x + (crop_w - crop_h) / 2, crop_w, crop_h
            turn = math.copysign(math.pi / 2, rng.random() - 0.5)
            return Window(y, x, crop_h, crop_w, turn, bool(rng.random() < 0.5))
        angle = math.radians(rng.uniform(-TURN, TURN)) if extend and rng.random() < recipe.turned else 0.0
        return Window(y, x, crop_h, crop_w, angle, bool(rng.random() < 0.5))

    def _backgrounds(self, dice: Dice, height: int, width: int, rng: np.random.Generator) -> Tensor:
        pictures, windows = [], []
        for _ in range(dice.count):
            levels = self._background(rng)
            h, w = levels[0].shape[1:]
            aspect = height / width * math.exp(rng.uniform(-0.25, 0.25))
            size = min(h, w * aspect) * rng.uniform(0.4, 1)
            crop_h, crop_w = max(size, 16.0), max(size / aspect, 16.0)
            y, x = rng.random() * max(h - crop_h, 0.0), rng.random() * max(w - crop_w, 0.0)
            pictures.append(levels)
            windows.append(Window(y, x, crop_h, crop_w, 0.0, bool(rng.random() < 0.5)))
        return defocus(cut(pictures, windows, height, width), dice, 0.5)

    def _background(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        levels = None
        if self.backgrounds:
            source = self.backgrounds[rng.integers(len(self.backgrounds))]
            levels = source[rng.integers(len(source))]
        if levels is None or rng.random() < 0.3:
            # The backgrounds of other portraits are the most like a portrait's.
            other = self.portraits[rng.integers(len(self.portraits))]
            if levels is None or other.share < 0.35:
                levels = tuple(level[BACKGROUND] for level in other.levels)
        return levels

    def _objects(self, backdrop: Tensor, share: float, rng: np.random.Generator, dice: Dice) -> Tensor:
        """Put pieces of other pictures on the backdrop: rectangles and ellipses, large and sharp."""
        height, width = backdrop.shape[2:]
        rows = torch.linspace(0, 1, height, device=self.device).view(1, 1, -1, 1)
        columns = torch.linspace(0, 1, width, device=self.device).view(1, 1, 1, -1)
        some = dice.chance(share)
        pieces = self._backgrounds(dice, height, width, rng)
        for _ in range(2):
            pieces = recolor(pieces.roll(1, 0), dice)
            angle = torch.where(dice.chance(0.5), dice.normal(0.2), dice.uniform(0, math.pi))
            dy, dx = rows - dice.uniform(), columns - dice.uniform()
            along, across = torch.cos(angle) * dx + torch.sin(angle) * dy, torch.cos(angle) * dy - torch.sin(angle) * dx
            half_w = dice.uniform(0.07, 0.3)
            half_h = dice.uniform(0.07, 0.3) * torch.where(dice.chance(0.5), 3.0, 1.0)
            u, v = along.abs() / half_w, across.abs() / half_h
            reach = torch.where(dice.chance(0.5), torch.maximum(u, v), (u.square() + v.square()).sqrt())
            edge = dice.uniform(0.5, 2.5) / (half_w * width)
            mask = ((1 - reach) / edge + 0.5).clamp(0, 1) * (some & dice.chance(0.75))
            backdrop = backdrop.lerp(pieces, mask)
        return backdrop

    def _others(
        self,
        foreground: Tensor,
        alpha: Tensor,
        recipe: Recipe,
        allowed: np.ndarray,
        rng: np.random.Generator,
        dice: Dice,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Put a second person behind some of the people: both are foreground."""
        height, width = alpha.shape[2:]
        chosen = np.flatnonzero(allowed & (rng.random(len(allowed)) < recipe.others))
        if not len(chosen):
            return foreground, alpha
        seconds, _ = self._people(recipe, np.full(len(chosen), True), height, width, rng)
        index = torch.from_numpy(chosen).to(self.device)
        shift = [int(s) for s in rng.uniform(-0.5, 0.5, len(chosen)) * width]
        # A person cut off by a side stays at that side.
        sides = torch.stack([seconds[:, ALPHA, :, 0], seconds[:, ALPHA, :, -1]]).amax((2, 3)).gt(0.03).tolist()
        shifted = torch.zeros_like(seconds)
        for i, columns in enumerate(shift):
            columns = min(columns, 0) if sides[0][i] else columns
            columns = max(columns, 0) if sides[1][i] else columns
            if columns >= 0:
                shifted[i, ..., columns:] = seconds[i, ..., : width - columns]
            else:
                shifted[i, ..., :columns] = seconds[i, ..., -columns:]
        color = recolor(shifted[:, FOREGROUND], Dice(generator, len(chosen)))
        front, front_alpha = foreground[index], alpha[index]
        hidden = (1 - front_alpha) * shifted[:, ALPHA]
        both = (front_alpha + hidden).clamp(max=1)
        mixed = (front_alpha * front + hidden * color + 1e-6 * front) / (both + 1e-6)
        return foreground.index_copy(0, index, mixed), alpha.index_copy(0, index, both)
