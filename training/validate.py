"""Measure a weights file: on the held-out split, or on photos with mattes beside them.

python -m training.validate --data DIR                      the held-out photos of DIR/train
python -m training.validate --photos DIR --mattes resnet34  every NAME.jpg of DIR against NAME.resnet34.png
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from infer_p3m_portrait_matting.p3m import METHODS, PortraitMatting

from .portraits import list_photos

#: Diameter in pixels of the ellipse that widens a matte's edge to its transition band.
BAND = 21


class Errors(NamedTuple):
    """How far a matte is off.

    Attributes:
        sad: sum of absolute differences / 1000.
        sad_band: the same inside the transition band.
        mad: mean absolute difference x 1000.
    """

    sad: float
    sad_band: float
    mad: float


def measure(predicted: np.ndarray, true: np.ndarray) -> Errors:
    """Compare two mattes, float [H, W] in [0, 1]."""
    difference = np.abs(predicted - true)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (BAND, BAND))
    outer = cv2.dilate((true > 0).astype(np.uint8), kernel)
    inner = cv2.erode((true == 1).astype(np.uint8), kernel, borderValue=1)
    band = (outer - inner).astype(bool)
    return Errors(difference.sum() / 1000, difference[band].sum() / 1000, difference.mean() * 1000)


def held_out(data: Path, scale: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, photo (uint8 RGB) and matte (float) of each held-out photo, enlarged ``scale`` times."""
    for path in list_photos(data / "train", held_out=True):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale != 1 else image
        yield path.stem, np.ascontiguousarray(image[..., 2::-1]), image[..., 3].astype(np.float32) / 255


def pairs(folder: Path, mattes: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, photo and matte of each NAME.jpg with a NAME.<mattes>.png."""
    for path in sorted(folder.glob("*.jpg")):
        matte = cv2.imread(str(path.with_suffix(f".{mattes}.png")), cv2.IMREAD_GRAYSCALE)
        yield path.stem, cv2.imread(str(path))[..., ::-1].copy(), matte.astype(np.float32) / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with train/ (RGBA)")
    source.add_argument("--photos", type=Path, help="folder of NAME.jpg and NAME.<mattes>.png")
    parser.add_argument("--mattes", default="resnet34", help="which mattes beside --photos are the truth")
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--weights", type=Path, help="weights file (default: the bundled or published one)")
    parser.add_argument("--method", default="HYBRID", choices=METHODS)
    parser.add_argument("--input-size", type=int, default=1024)
    parser.add_argument("--global-bound", type=int, help="instead of the model's own bound of the global pass")
    parser.add_argument("--scale", type=float, default=1.0, help="enlarge held-out photos so many times")
    parser.add_argument("--output", type=Path, help="folder for the mattes")
    args = parser.parse_args()

    session = PortraitMatting(args.model, weights=args.weights)
    if args.global_bound:
        session.variant = replace(session.variant, global_bound=args.global_bound)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, photo, true in held_out(args.data, args.scale) if args.data else pairs(args.photos, args.mattes):
        predicted = session.matte(photo, args.method, args.input_size)
        rows.append(measure(predicted, true))
        print(f"{name} SAD {rows[-1].sad:.2f} band {rows[-1].sad_band:.2f} MAD {rows[-1].mad:.2f}")
        if args.output:
            cv2.imwrite(str(args.output / f"{name}.png"), np.rint(predicted * 255).astype(np.uint8))
    mean = Errors(*np.mean(rows, axis=0))
    print(f"mean of {len(rows)}: SAD {mean.sad:.2f}, in the band {mean.sad_band:.2f}, MAD {mean.mad:.2f} x 1e-3")


if __name__ == "__main__":
    main()
