"""Guides: what somebody knows of a photo's matte beforehand, as a trimap, a mask, or brush strokes."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..arrays import check_array

#: Values of a trimap; every other value means unknown, too.
BACKGROUND, UNKNOWN, PERSON = 0, 128, 255

#: Values of corrections: what a brush stroke asks for.
NOTHING, KEEP, REMOVE, DECIDE = 0, 1, 2, 3

#: Smallest default of the band, as a share of the photo's long side; benchmarks/guided.py has the figures.
_BAND = 0.005
#: A soft mask below and above these values is sure.
_SURE = 0.05, 0.95
#: How much of what is drawn may have a colour that means nothing.
_STRAY = 0.1
#: By how much one of red, green and blue exceeds the others in a colour that means something.
_PURE = 64
#: A kernel of 3 x 3 px.
_NEAR = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Guide:
    """What is known of one photo's matte. Give a trimap or a mask, or neither; corrections go with each of them.

    >>> guide = Guide(mask=np.ones((3, 4), np.uint8)).fit(6, 8)
    >>> guide.trimap.shape, guide.trimap.max().item()
    ((6, 8), 255)

    Attributes:
        trimap: uint8 [h, w]: 0 where there is background, 255 where there is the person, any other value where alpha is
            unknown. It replaces the global pass.
        mask: [h, w] or [h, w, 1], bool, uint8, uint16 or float in [0, 1], binary or soft, from any other program; uint8
            and uint16 whose largest value is 1 count as bool. It becomes a trimap.
        band: how far the trimap's unknown area reaches from the mask's edge on either side, in pixels of the photo;
            None takes a pixel of the mask, but at least half a percent of the photo's long side.
        corrections: uint8 [h, w]: 0 nothing, 1 keep (alpha is 1), 2 remove (alpha is 0), 3 decide (alpha is unknown,
            and the local alpha fills it).
    """

    trimap: np.ndarray | None = None
    mask: np.ndarray | None = None
    band: float | None = None
    corrections: np.ndarray | None = None

    def fit(self, height: int, width: int) -> "Guide":
        """Check the guide and scale it to a photo.

        Args:
            height: the photo's height in pixels.
            width: the photo's width in pixels.

        Returns:
            A guide without a mask, whose trimap (of 0, 128 and 255) and corrections have the photo's size.

        Raises:
            TypeError: a map is not an array, or of another dtype.
            ValueError: a map has another shape or aspect ratio, holds other values, or does not go with the others.
        """
        if self.trimap is not None and self.mask is not None:
            raise ValueError("a trimap and a mask exclude each other: give one of them")
        if self.band is not None and self.mask is None:
            raise ValueError("band has no effect without a mask: give a mask, or leave out band")
        trimap = None if self.trimap is None else _fit_trimap(self.trimap, height, width)
        if self.mask is not None:
            trimap = trimap_of_mask(self.mask, height, width, self.band)
        corrections = None if self.corrections is None else _fit_corrections(self.corrections, height, width)
        return Guide(trimap=trimap, corrections=corrections)

    def maps(self) -> dict[str, np.ndarray]:
        """Return the trimap and the corrections of a fitted guide by name; those that there are."""
        both = {"trimap": self.trimap, "corrections": self.corrections}
        return {name: found for name, found in both.items() if found is not None}

    def known(self) -> np.ndarray | None:
        """Tell where a fitted guide says that there is the person or background: bool [H, W]; None without any map."""
        known = None if self.trimap is None else self.trimap != UNKNOWN
        if self.corrections is None:
            return known
        drawn = (self.corrections == KEEP) | (self.corrections == REMOVE)
        return drawn if known is None else np.where(self.corrections == NOTHING, known, drawn)

    def cut(self, window: tuple[slice, slice]) -> "Guide":
        """Return the part of a fitted guide that lies in a window of its photo: rows and columns."""
        trimap, corrections = (None if found is None else found[window] for found in (self.trimap, self.corrections))
        return Guide(trimap=trimap, corrections=corrections)


def trimap_of_mask(mask: np.ndarray, height: int, width: int, band: float | None = None) -> np.ndarray:
    """Turn a mask into a trimap whose unknown area is a band along the mask's edge.

    Where a soft mask is neither below 0.05 nor above 0.95, alpha is unknown, too.

    >>> trimap_of_mask(np.eye(2, dtype=bool), 2, 8)
    Traceback (most recent call last):
        ...
    ValueError: the mask is 2 x 2 px, the photo 8 x 2 px: give a picture of the photo's aspect ratio

    Args:
        mask, band: as for :class:`Guide`.
        height, width: the photo's size in pixels.

    Returns:
        uint8 [height, width] of 0, 128 and 255.

    Raises:
        TypeError, ValueError: as :meth:`Guide.fit`.
    """
    soft = _soft_mask(mask, height, width)
    if band is None:
        band = max(max(height, width) * _BAND, height / soft.shape[0], width / soft.shape[1])
    if not 0 <= band < np.inf:
        raise ValueError(f"band must be a number of pixels, 0 or more, got {band:g}")
    soft = _scaled(soft, height, width)
    inside = (soft >= 0.5).astype(np.uint8)
    trimap = inside * np.uint8(PERSON)
    # The distance to the nearest pixel of the other side, less half a pixel, is that to the edge between them.
    for side in (inside, 1 - inside):
        if not side.all():
            trimap[(side > 0) & (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_5) - 0.5 < band)] = UNKNOWN
    trimap[(soft > _SURE[0]) & (soft < _SURE[1])] = UNKNOWN
    return trimap


def paint(alpha: np.ndarray, corrections: np.ndarray) -> np.ndarray:
    """Set alpha to 1 where a stroke says keep and to 0 where one says remove, with a soft rim of two pixels outside.

    Painting twice changes nothing more. No rim reaches into another stroke.

    Args:
        alpha: float32 [H, W] in [0, 1].
        corrections: uint8 [H, W], as for :class:`Guide`.

    Returns:
        float32 [H, W], a new array, or ``alpha`` itself if nothing is kept or removed.
    """
    for stroke in (KEEP, REMOVE):
        drawn = (corrections == stroke).astype(np.uint8)
        if not drawn.any():
            continue
        # One pixel more on every side, then a mean of 3 x 3: the stroke itself keeps 1, and the rim falls off.
        rim = cv2.blur(cv2.dilate(drawn, _NEAR).astype(np.float32), (3, 3), borderType=cv2.BORDER_REPLICATE)
        rim[(corrections != NOTHING) & (drawn == 0)] = 0
        rim[drawn > 0] = 1
        alpha = np.maximum(alpha, rim) if stroke == KEEP else np.minimum(alpha, 1 - rim)
    return alpha


def corrections_of(strokes: np.ndarray, name: str = "the picture of strokes") -> np.ndarray:
    """Read strokes that were drawn in colour: green keeps, red removes, blue decides, what is transparent does nothing.

    Args:
        strokes: uint8 [H, W, 4] RGBA, straight alpha; pixels of at least half opacity count.
        name: its name in messages.

    Returns:
        uint8 [H, W] as for :class:`Guide`.

    Raises:
        ValueError: the picture has no alpha, or much of what is drawn is neither green, nor red, nor blue.
    """
    if strokes.ndim != 3 or strokes.shape[2] != 4 or strokes[..., 3].min() >= 128:
        raise ValueError(
            f"{name} has no transparent places: draw green, red or blue strokes on a transparent layer, and save PNG"
        )
    drawn = strokes[..., 3] >= 128
    red, green, blue = (strokes[..., channel].astype(np.int16) for channel in range(3))
    found = np.zeros(drawn.shape, np.uint8)
    for stroke, one, other, third in ((KEEP, green, red, blue), (REMOVE, red, green, blue), (DECIDE, blue, red, green)):
        found[drawn & (one - np.maximum(other, third) >= _PURE)] = stroke
    stray = np.count_nonzero(drawn) - np.count_nonzero(found)
    if stray > _STRAY * np.count_nonzero(drawn):
        raise ValueError(
            f"{name} has strokes in other colours: draw green to keep, red to remove, blue to let the network decide"
        )
    return found


def _fit_trimap(trimap: np.ndarray, height: int, width: int) -> np.ndarray:
    trimap = _checked(trimap, "trimap", height, width)
    if trimap.dtype != np.uint8:
        raise TypeError(f"the trimap must be uint8 (0, 255, and any other value for unknown), got {trimap.dtype}")
    known = np.where((trimap == BACKGROUND) | (trimap == PERSON), trimap, np.uint8(UNKNOWN))
    if trimap.shape == (height, width):
        return known
    # After scaling, a value is exactly 0 or 255 only where no other one is near.
    scaled = _scaled(known.astype(np.float32), height, width)
    return np.where(scaled < 0.5, BACKGROUND, np.where(scaled > PERSON - 0.5, PERSON, UNKNOWN)).astype(np.uint8)


def _fit_corrections(corrections: np.ndarray, height: int, width: int) -> np.ndarray:
    corrections = _checked(corrections, "corrections", height, width)
    if corrections.dtype != np.uint8:
        raise TypeError(f"corrections must be uint8 (0 nothing, 1 keep, 2 remove, 3 decide), got {corrections.dtype}")
    if corrections.max() > DECIDE:
        raise ValueError(f"corrections hold 0 (nothing), 1 (keep), 2 (remove) and 3 (decide), got {corrections.max()}")
    if corrections.shape == (height, width):
        return corrections
    return cv2.resize(corrections, (width, height), interpolation=cv2.INTER_NEAREST)


def _soft_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Check a mask and return it as float32 [h, w] in [0, 1]."""
    mask = _checked(mask, "mask", height, width)
    if mask.dtype == bool:
        return mask.astype(np.float32)
    if mask.dtype.kind == "u" and mask.dtype.itemsize <= 2:
        most = int(mask.max())
        return mask.astype(np.float32) / (1 if most <= 1 else np.iinfo(mask.dtype).max)
    if mask.dtype.kind != "f":
        raise TypeError(
            f"the mask must be bool, uint8, uint16 or floating point in [0, 1], got {mask.dtype}: convert it"
        )
    low, high = mask.min(), mask.max()
    # The comparison is False for NaN.
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(f"a floating-point mask must lie in [0, 1], got [{low:g}, {high:g}]: scale it")
    return mask.astype(np.float32)


def _checked(found: np.ndarray, name: str, height: int, width: int) -> np.ndarray:
    """Check shape and aspect ratio, and return a map as [h, w]."""
    are = "are" if name == "corrections" else "is"
    name = name if name == "corrections" else f"the {name}"
    check_array(found, name)
    if found.ndim == 3 and found.shape[2] == 1:
        found = found[..., 0]
    if found.ndim != 2 or found.size == 0:
        raise ValueError(f"{name} must be [H, W] and not empty, got shape {found.shape}")
    h, w = found.shape
    # A size may be rounded to whole pixels: at most one of the smaller picture.
    if abs(h * width - w * height) > max(h, w, height, width):
        raise ValueError(
            f"{name} {are} {w} x {h} px, the photo {width} x {height} px: give a picture of the photo's aspect ratio"
        )
    return found


def _scaled(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale float32 [h, w] bilinearly, or by the mean where it shrinks."""
    if x.shape == (height, width):
        return x
    shrinks = x.shape[0] > height or x.shape[1] > width
    return cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
