"""Time GRAD and CONN of two mattes of 1080 x 1620 px: ours, and the usual way with scipy and scikit-image.

Both sides must compute the same figures. They take turns, and medians count.
"""

import argparse
import statistics
import time

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut
from skimage.measure import label

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.metrics import connectivity_error, gradient_error

#: Most seconds for both figures.
BAR = 0.6


def usual_gradient_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute GRAD by scipy's Gaussian derivatives."""

    def magnitude(matte: np.ndarray) -> np.ndarray:
        return np.hypot(*(gaussian_filter(matte, 1.4, order=order) for order in ((0, 1), (1, 0))))

    return float(((magnitude(predicted) - magnitude(true)) ** 2).sum() / 10)


def usual_connectivity_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute CONN by scikit-image's labels."""
    level = np.full(true.shape, -1.0)
    for step in range(1, 11):
        labels = label((predicted >= step / 10) & (true >= step / 10), connectivity=1)
        largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1 if labels.max() else np.zeros(true.shape, bool)
        level[(level == -1) & ~largest] = (step - 1) / 10
    level[level == -1] = 1

    def connectedness(matte: np.ndarray) -> np.ndarray:
        distance = matte - level
        return 1 - distance * (distance >= 0.15)

    return float(np.abs(connectedness(predicted) - connectedness(true)).sum() / 1000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    photo = cv2.resize(astronaut(), (1080, 1620), interpolation=cv2.INTER_CUBIC)
    matting = PortraitMatting("mobile", "cpu")
    predicted, true = (np.rint(matting.matte(photo, method) * 255) / 255 for method in ("RESIZE", "HYBRID"))

    sides = {
        "ours": lambda: (gradient_error(predicted, true), connectivity_error(predicted, true)),
        "usual": lambda: (usual_gradient_error(predicted, true), usual_connectivity_error(predicted, true)),
    }
    figures = {name: side() for name, side in sides.items()}
    for name, (grad, conn) in figures.items():
        print(f"{name}: GRAD {grad:.4f} CONN {conn:.4f}")
    np.testing.assert_allclose(figures["ours"], figures["usual"], rtol=1e-3)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            times[name].append(time.perf_counter() - started)
    ours, usual = (statistics.median(times[name]) for name in sides)
    print(f"ours {ours:.3f} s, usual {usual:.3f} s\nratio {usual / ours:.2f} seconds {ours:.2f}")
    return 0 if ours <= BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
