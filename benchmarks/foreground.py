"""Compare ways to estimate foreground colours, by colour error and time, on composites with a known foreground.

The program puts the cut-outs of a folder (RGBA, as for training) onto the pictures of another. Each way sees the
composite and the true matte. The known foreground of a cut-out is itself an estimate from its photo. It is made in two
ways, so that no way is judged only by its own standard.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.measure import evenly_chosen
from infer_p3m_portrait_matting.p3m import composite, crop_to_fill, estimate_foreground, to_uint8
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_rgb, read_rgba
from training.portraits import multi_level_estimator

Way = Callable[[np.ndarray, np.ndarray], np.ndarray]


def original(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the photo's own colours."""
    return photo


def multi_level(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate on several levels (Germer et al. 2020), by pymatting."""
    return to_uint8(multi_level_estimator()(photo.astype(np.float32) / 255, alpha).clip(0, 1))


def two_step_blur_fusion(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Estimate by blur fusion with radii of 90 and 6 px at full size (Forte 2021)."""
    pixels, a = photo.astype(np.float32), alpha[..., None]
    foreground = background = pixels
    for radius in (90, 6):
        size = (2 * radius + 1, 2 * radius + 1)
        weight = cv2.blur(alpha, size)[..., None]
        foreground = cv2.blur(foreground * a, size) / (weight + 1e-5)
        background = cv2.blur(background * (1 - a), size) / (1 - weight + 1e-5)
        foreground = (foreground + a * (pixels - a * foreground - (1 - a) * background)).clip(0, 255)
    return np.rint(foreground).astype(np.uint8)


WAYS: dict[str, Way] = {
    "original": original,
    "multi-level": multi_level,
    "blur fusion, two steps": two_step_blur_fusion,
    "ours": estimate_foreground,
}


def errors(ways: dict[str, Way], cutouts: list[Path], pictures: list[Path], truth: Way) -> dict[str, list[float]]:
    """Compute each way's mean colour error (0 to 255) inside 0 < alpha < 1, unweighted and weighted by alpha."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for path in cutouts:
        image = read_rgba(path)
        alpha = image[..., 3].astype(np.float32) / 255
        foreground = truth(np.ascontiguousarray(image[..., :3]), alpha)
        picture = read_rgb(pictures[rng.integers(len(pictures))])
        photo = composite(foreground, alpha, crop_to_fill(picture, *alpha.shape))
        edge = (alpha > 0) & (alpha < 1)
        for name, way in ways.items():
            error = np.abs(way(photo, alpha).astype(np.float32) - foreground).mean(-1)[edge]
            rows[name].append((error.mean(), np.average(error, weights=alpha[edge])))
    return {name: np.mean(row, axis=0).tolist() for name, row in rows.items()}


def seconds(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Measure each way's median time for 1080 x 1620 px; the ways take turns."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (1620, 1080, 3), dtype=np.uint8)
    alpha = cv2.GaussianBlur(rng.random((1620, 1080), dtype=np.float32), (0, 0), 20)
    alpha = ((alpha - alpha.min()) / np.ptp(alpha)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way(photo, alpha)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cutouts", type=Path, required=True, help="folder of RGBA images")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of backgrounds")
    parser.add_argument("--count", type=int, default=60, help="how many cut-outs, evenly spread")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()

    cutouts = list_images(args.cutouts)
    if not cutouts:
        parser.error(f"no images in {args.cutouts}")
    cutouts = evenly_chosen(cutouts, args.count)
    pictures = list_images(args.pictures)
    taken = seconds(WAYS, args.rounds)
    share = 0.0
    for truth in ("multi-level", "blur fusion, two steps"):
        print(f"known foreground by {truth}, {len(cutouts)} composites")
        found = errors(WAYS, cutouts, pictures, WAYS[truth])
        for name, (alike, weighted) in found.items():
            print(f"  {name}: error {alike:.2f}, weighted by alpha {weighted:.2f}, {taken[name]:.3f} s")
        share = max(share, found["ours"][0] / found["original"][0], found["ours"][1] / found["original"][1])
    print(f"ratio error {share:.2f} seconds {taken['ours']:.2f}")
    return 0 if share <= 0.5 and taken["ours"] <= 0.35 else 1


if __name__ == "__main__":
    raise SystemExit(main())
