"""Draw icon.png: a person with unruly hair, half still in the photo, half already cut out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

SIZE, SCALE = 512, 4
FULL = SIZE * SCALE


def points(*xy: float) -> np.ndarray:
    """Turn pairs of coordinates in icon pixels into OpenCV's points."""
    return np.rint(np.reshape(xy, (-1, 1, 2)) * SCALE).astype(np.int32)


def disc(layer: np.ndarray, x: float, y: float, rx: float, ry: float, color: Sequence[float] | float) -> None:
    """Fill an ellipse."""
    cv2.ellipse(
        layer, (round(x * SCALE), round(y * SCALE)), (round(rx * SCALE), round(ry * SCALE)), 0, 0, 360, color, -1
    )


def person() -> tuple[np.ndarray, np.ndarray]:
    """Draw the person: RGB [FULL, FULL, 3] and mask [FULL, FULL], uint8."""
    rng = np.random.default_rng(7)
    rgb = np.zeros((FULL, FULL, 3), np.uint8)
    mask = np.zeros((FULL, FULL), np.uint8)
    hair, skin, shirt = (62, 39, 49), (240, 190, 155), (233, 84, 76)
    for layer, colors in ((rgb, (hair, skin, shirt)), (mask, (255, 255, 255))):
        dark, light, cloth = colors
        disc(layer, 256, 205, 128, 132, dark)
        cv2.fillPoly(layer, [points(132, 200, 380, 200, 372, 330, 140, 330)], dark)
        disc(layer, 256, 500, 190, 150, cloth)
        cv2.fillPoly(layer, [points(218, 290, 294, 290, 304, 372, 256, 412, 208, 372)], light)
        disc(layer, 256, 232, 84, 102, light)
        cv2.fillPoly(
            layer, [points(168, 220, 190, 120, 290, 104, 345, 150, 346, 218, 318, 168, 262, 158, 210, 176)], dark
        )
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(110):
        angle = rng.uniform(-1.2 * np.pi, 0.2 * np.pi)
        outward = np.array([np.cos(angle), np.sin(angle)])
        aside = np.array([-outward[1], outward[0]]) * rng.choice([-1, 1])
        start = (256, 205) + (120, 124) * outward
        length = rng.uniform(14, 44)
        bend, end = start + length * 0.7 * outward, start + length * (outward + rng.uniform(0.2, 0.9) * aside)
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        for layer, color in ((rgb, hair), (mask, 255)):
            cv2.polylines(layer, [points(*curve.ravel())], False, color, int(2.5 * SCALE), cv2.LINE_AA)
    return rgb, mask


def draw() -> np.ndarray:
    """Draw the icon, uint8 [512, 512, 4] RGBA."""
    y, x = np.mgrid[:FULL, :FULL] / SCALE
    photo = np.stack([60 + 0.20 * y, 150 + 0.12 * y, 205 - 0.10 * y], -1)
    for cx, cy, r in ((60, 90, 60), (30, 330, 90), (190, 60, 40), (120, 440, 70)):
        photo[(x - cx) ** 2 + (y - cy) ** 2 < r * r] += (28, 30, 22)
    photo = cv2.GaussianBlur(photo, (0, 0), 6 * SCALE)
    tiles = ((x // 32).astype(int) + (y // 32).astype(int)) % 2
    canvas = np.where((x < 256)[..., None], photo, np.where(tiles, 255, 222)[..., None].repeat(3, -1))
    rgb, mask = person()
    rim = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13 * SCALE, 13 * SCALE)))
    canvas[(rim > 0) & (x >= 256)] = 255
    alpha = mask[..., None] / 255.0
    canvas = alpha * rgb + (1 - alpha) * canvas
    for top in range(16, SIZE, 44):
        outside = (mask == 0) & (np.abs(x - 256) < 2.5) & (y >= top) & (y < top + 24)
        canvas[outside] = (45, 55, 72)
    corner = 84
    dx, dy = np.maximum(np.abs(x - 256) - (256 - corner), 0), np.maximum(np.abs(y - 256) - (256 - corner), 0)
    inside = (dx**2 + dy**2 <= corner**2) * 255.0
    icon = np.dstack([canvas, inside]).astype(np.float32)
    return np.rint(cv2.resize(icon, (SIZE, SIZE), interpolation=cv2.INTER_AREA)).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("output", type=Path, nargs="?", default=root / "infer_p3m_portrait_matting" / "icon.png")
    cv2.imwrite(str(parser.parse_args().output), cv2.cvtColor(draw(), cv2.COLOR_RGBA2BGRA))
