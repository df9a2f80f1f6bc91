"""Measure seconds and peak memory of one photo against its size, from 0.5 to 50 megapixels.

Run ``python -m benchmarks.scaling``. Every size runs in a fresh process, and each run is the plugin's whole run (matte,
foreground colours, cut-out and composite). ``--plot FILE`` draws both curves. The last line reads ``ratio seconds X
memory Y`` for 24 MP against 1.75 MP. The exit status is not 0 if `mobile` takes more than 3 s or 2.5 GB at 24 MP.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.measure import HEIGHT, WIDTH, in_fresh_process, photo, resident_bytes
from infer_p3m_portrait_matting.p3m import (
    PortraitMatting,
    composite,
    cutout,
    estimate_foreground,
)

MEGAPIXELS = (0.5, 1.0, 1.75, 3.0, 6.0, 12.0, 24.0, 50.0)
MAX_SECONDS, MAX_BYTES, AT = 3.0, 2.5e9, 24.0


def run(matting: PortraitMatting, image: np.ndarray) -> None:
    """Compute all that the plugin computes for one photo."""
    alpha = matting.matte(image)
    foreground = estimate_foreground(image, alpha)
    cutout(foreground, alpha)
    composite(foreground, alpha)


def measure(model_name: str, megapixels: float, rounds: int) -> dict[str, float]:
    """Load the model and run a photo of that size; return median seconds after a first run, and the peak in bytes."""
    scale = (megapixels * 1e6 / (HEIGHT * WIDTH)) ** 0.5
    size = round(WIDTH * scale), round(HEIGHT * scale)
    image = cv2.resize(photo(), size, interpolation=cv2.INTER_LINEAR)
    matting = PortraitMatting(model_name, "cpu")
    seconds = []
    for _ in range(1 + rounds):
        start = time.perf_counter()
        run(matting, image)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[1:]), "peak": resident_bytes()[1]}


def plot(found: dict[float, dict[str, float]], path: Path) -> None:
    """Draw seconds and memory against megapixels, with logarithmic axes."""
    panels = []
    for title, key, unit in (("seconds", "seconds", 1.0), ("peak memory, GB", "peak", 1e9)):
        panels.append(_panel(title, {x: values[key] / unit for x, values in found.items()}))
    if not cv2.imwrite(str(path), np.hstack(panels)):
        raise OSError(f"{path} could not be written")


def _panel(title: str, curve: dict[float, float]) -> np.ndarray:
    width, height, left, bottom = 620, 420, 70, 50
    panel = np.full((height, width, 3), 255, np.uint8)
    font, grey = cv2.FONT_HERSHEY_SIMPLEX, (120, 120, 120)
    x_low, x_high = np.log10(min(curve)), np.log10(max(curve))
    low, high = min(curve.values()) / 1.3, max(curve.values()) * 1.3

    def place(x: float, y: float) -> tuple[int, int]:
        across = (np.log10(x) - x_low) / (x_high - x_low)
        up = (np.log10(y) - np.log10(low)) / (np.log10(high) - np.log10(low))
        return round(left + across * (width - left - 40)), round(height - bottom - up * (height - bottom - 50))

    cv2.putText(panel, f"{title} against megapixels", (left, 28), font, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.line(panel, place(min(curve), low), place(max(curve), low), grey, 1)
    cv2.line(panel, place(min(curve), low), place(min(curve), high), grey, 1)
    points = [place(x, y) for x, y in curve.items()]
    cv2.polylines(panel, [np.array(points)], False, (180, 90, 20), 2, cv2.LINE_AA)
    for (x, y), (column, row) in zip(curve.items(), points, strict=True):
        cv2.circle(panel, (column, row), 4, (180, 90, 20), -1, cv2.LINE_AA)
        cv2.putText(panel, f"{y:.2f}", (column - 16, row - 10), font, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        cv2.putText(panel, f"{x:g}", (column - 10, height - bottom + 20), font, 0.42, grey, 1, cv2.LINE_AA)
    return panel


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile", help="a model whose weights are here (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="PNG file for the curves, such as docs/scaling.png")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.one:
        print(json.dumps(measure(args.model, args.one, args.rounds)))
        return 0
    found = {}
    shared = ("--model", args.model, "--rounds", str(args.rounds), "--threads", str(args.threads))
    for megapixels in MEGAPIXELS:
        found[megapixels] = values = in_fresh_process(__file__, "--one", str(megapixels), *shared)
        print(
            f"{megapixels:5.2f} MP: {values['seconds']:6.2f} s, peak memory {values['peak'] / 1e9:.2f} GB", flush=True
        )
    if args.plot:
        plot(found, args.plot)
    large, usual = found[AT], found[1.75]
    print(f"ratio seconds {large['seconds'] / usual['seconds']:.2f} memory {large['peak'] / usual['peak']:.2f}")
    missed = args.model == "mobile" and (large["seconds"] > MAX_SECONDS or large["peak"] > MAX_BYTES)
    if missed:
        print(f"{AT:g} MP takes more than {MAX_SECONDS} s or {MAX_BYTES / 1e9} GB", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
