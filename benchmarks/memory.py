"""Measure how many bytes per pixel a run takes at its peak, step by step, beyond what the process held before."""

import argparse
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.measure import resident_bytes
from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.pipeline.pictures import make_pictures
from infer_p3m_portrait_matting.pipeline.settings import Settings

STEPS = ("matte", "estimated", "original", "blur", "transparent")


def measure(step: str, megapixels: float) -> float:
    """Run one step in this process, which must be fresh; return the bytes per pixel."""
    side = int((megapixels * 1e6) ** 0.5)
    rng = np.random.default_rng(0)
    small = PortraitMatting("mobile", "cpu")
    small.matte(np.zeros((1024, 1024, 3), np.uint8))  # the network's own memory does not grow with the photo
    photo = rng.integers(0, 256, (side, side, 3), np.uint8)
    alpha = np.arange(side * side, dtype=np.float32).reshape(side, side)
    alpha /= alpha.size - 1
    changes: dict[str, dict[str, Any]] = {"estimated": {}, "original": {"foreground": "original"}}
    settings = Settings(**changes.get(step, {"background": step} if step != "matte" else {}))
    make_pictures(photo[:64, :64], alpha[:64, :64], settings)
    before, _ = resident_bytes()
    if step == "matte":
        small.matte(photo)
    else:
        make_pictures(photo, alpha, settings)
    return (resident_bytes()[1] - before) / (side * side)


def main() -> None:
    """Print one line per step, each measured in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=48, help="size of the photo (default: %(default)s)")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(measure(args.step, args.megapixels))
        return
    for step in STEPS:
        command = [sys.executable, "-m", "benchmarks.memory", "--step", step, "--megapixels", str(args.megapixels)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"{step:12s} {float(found):6.1f} bytes per pixel at {args.megapixels:g} megapixels")


if __name__ == "__main__":
    main()
