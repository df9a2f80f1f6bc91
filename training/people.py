"""Compute facts about a portrait once, when it is read."""

from typing import NamedTuple

import cv2
import numpy as np

from .portraits import Portrait


class Person(NamedTuple):
    """A portrait and the facts about it that :mod:`training.augment` needs.

    Attributes:
        name: file name without its suffix.
        layers: uint8 [8, H, W]: foreground RGB, background RGB, alpha, and how likely a pixel is hair.
        touches: whether the person reaches the top, bottom, left and right edge.
        share: share of the photo that the person fills.
        edges: int32 [n, 2], rows and columns of pixels that are neither plainly person nor background.
        strands: int32 [n, 2], the same, but only those in or near hair.
    """

    name: str
    layers: np.ndarray
    touches: tuple[bool, bool, bool, bool]
    share: float
    edges: np.ndarray
    strands: np.ndarray


def prepare(portrait: Portrait) -> Person:
    """Compute the facts about a portrait; the same portrait always gives the same result."""
    alpha = portrait.alpha
    hair = hair_map(portrait.foreground, alpha)
    layers = np.dstack([portrait.foreground, portrait.background, alpha, hair])
    edge = (alpha > 8) & (alpha < 247)
    rng = np.random.default_rng(len(portrait.name))
    top, bottom, left, right = (
        bool(border.max() >= 8) for border in (alpha[:2], alpha[-2:], alpha[:, :2], alpha[:, -2:])
    )
    return Person(
        portrait.name,
        np.ascontiguousarray(layers.transpose(2, 0, 1)),
        (top, bottom, left, right),
        float((alpha > 127).mean()),
        _some(edge, rng),
        _some(edge & _near(hair > 60), rng),
    )


def hair_map(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Guess where a person's hair is: near the top of the head, in the colours found there.

    The head ends where the outline, read from the top, stops widening faster than it goes down. A hat counts as hair,
    as colour does not distinguish them.

    Args:
        foreground: uint8 [H, W, 3] RGB.
        alpha: uint8 [H, W].

    Returns:
        uint8 [H, W], 0 to 255; all 0 if there is no person.
    """
    inside = alpha > 127
    rows = np.flatnonzero(inside.any(1))
    if not len(rows):
        return np.zeros_like(alpha)
    top = int(rows[0])
    widest = np.maximum.accumulate(inside[top:].sum(1))
    depths = np.arange(1, len(widest) + 1)
    narrow = np.flatnonzero(widest * 1.15 <= depths)
    head = int(depths[narrow[0]]) if len(narrow) else len(widest)
    head = max(head, 8)
    crown = inside.copy()
    crown[top + max(head // 5, 3) :] = False
    crown &= alpha > 230
    if not crown.any():
        crown = inside
    color = np.median(foreground[crown], axis=0)
    distance = np.square((foreground.astype(np.float32) - color) / 255).sum(-1)
    down = (np.arange(len(alpha), dtype=np.float32) - top).clip(0)[:, None]
    likely = np.exp(-distance / (2 * 0.13**2)) * np.exp(-down / (0.8 * head)) * (down < 2.5 * head)
    return np.rint(255 * likely * (alpha / 255.0)).astype(np.uint8)


def _near(mask: np.ndarray, radius: int = 12) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _some(mask: np.ndarray, rng: np.random.Generator, count: int = 2000) -> np.ndarray:
    """Choose at most ``count`` of a mask's pixels; return their rows and columns."""
    places = np.argwhere(mask).astype(np.int32)
    return places if len(places) <= count else places[rng.choice(len(places), count, replace=False)]
