"""Measure how much a video's mattes flicker, with and without ``temporal``, on a still photo with noise.

Flicker is the mean absolute change of alpha (0 to 255) from one frame to the next. The program also prints the filter's
error after a cut and while the person moves.
"""

import argparse
from itertools import pairwise

import numpy as np
from skimage.data import astronaut

from infer_p3m_portrait_matting.p3m import PortraitMatting, TemporalFilter

#: Largest share of the flicker that may remain.
BAR = 0.6


def flicker(mattes: list[np.ndarray]) -> float:
    """Compute the mean absolute change from one matte (float [H, W] in [0, 1]) to the next, in 0 to 255."""
    return float(np.mean([255 * np.abs(after - before).mean() for before, after in pairwise(mattes)]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--noise", type=float, default=6.0, help="standard deviation, of 255")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    photo = astronaut()
    matting, steady = PortraitMatting("mobile", "cpu"), TemporalFilter()

    def frame(shift: int = 0) -> np.ndarray:
        moved = np.roll(photo, shift, axis=1)
        return np.clip(moved + rng.normal(0, args.noise, photo.shape), 0, 255).astype(np.uint8)

    frames = [frame() for _ in range(args.frames)]
    plain = [matting.matte(image) for image in frames]
    filtered = [steady(image, alpha) for image, alpha in zip(frames, plain, strict=True)]
    without, with_filter = flicker(plain), flicker(filtered)
    print(f"still scene: flicker {without:.3f} without, {with_filter:.3f} with temporal")

    # The photo stood still until now, so that every one of these moves.
    moving = [frame(12 * step) for step in range(1, 9)]
    mattes = [matting.matte(image) for image in moving]
    ghosts = [np.abs(steady(image, alpha) - alpha).mean() for image, alpha in zip(moving, mattes, strict=True)]
    print(f"moving by 12 px a frame: {255 * np.mean(ghosts):.3f} off the frame's own matte")
    cut = np.ascontiguousarray(255 - photo[::-1])
    alpha = matting.matte(cut)
    print(f"after a cut: {255 * np.abs(steady(cut, alpha) - alpha).mean():.3f} off")
    print(f"ratio flicker {with_filter / without:.2f}")
    return 0 if with_filter <= BAR * without else 1


if __name__ == "__main__":
    raise SystemExit(main())
