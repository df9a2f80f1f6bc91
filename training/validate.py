"""Measure a weights file on the held-out split: SAD, SAD in the transition band, MAD.

For photos with mattes outside of training there is ``python -m infer_p3m_portrait_matting.evaluate``.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from infer_p3m_portrait_matting.evaluate.dataset import pair_of
from infer_p3m_portrait_matting.p3m import METHODS, PortraitMatting, score, trimap_of
from infer_p3m_portrait_matting.p3m.atomic_write import write_whole
from infer_p3m_portrait_matting.p3m.imaging.png import encode_png

from .augment import Augmenter
from .portraits import list_backgrounds, list_photos, read_backgrounds, read_portraits


def held_out(data: Path, scale: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, photo (uint8 RGB) and matte (float) of each held-out photo, enlarged ``scale`` times."""
    for path in list_photos(data / "train", held_out=True):
        image = np.dstack(pair_of(path).read_8bit())
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale != 1 else image
        yield path.stem, np.ascontiguousarray(image[..., :3]), image[..., 3].astype(np.float32) / 255


def composites(data: Path, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Held-out people before held-out backgrounds, half of them with foreign objects: what few of the photos show.

    Yields:
        As :func:`held_out`, always the same ``count`` pictures, of 0.8 megapixels.
    """
    portraits = read_portraits(list_photos(data / "train", held_out=True))
    backgrounds = read_backgrounds(list_backgrounds(data / "backgrounds", held_out=True))
    for index in range(count):
        rng = np.random.default_rng((0, index))
        height, width = ((1088, 736), (896, 896), (736, 1088))[rng.integers(3)]
        augmenter = Augmenter(portraits, backgrounds, rng, distractors=0.5, composites=1.0)
        sample = augmenter.sample(height, width, close_ups=0.0)
        yield f"composite {index}", sample.image, sample.alpha.astype(np.float32) / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train/ (RGBA, or blurred_image/ beside mask/)"
    )
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--weights", type=Path, help="weights file (default: the bundled or published one)")
    parser.add_argument("--method", default="HYBRID", choices=METHODS)
    parser.add_argument("--input-size", type=int, default=1024)
    parser.add_argument("--global-bound", type=int, help="instead of the model's own bound of the global pass")
    parser.add_argument("--scale", type=float, default=1.0, help="enlarge held-out photos so many times")
    parser.add_argument(
        "--composites", type=int, metavar="N", help="measure on N composites of held-out pictures instead"
    )
    parser.add_argument("--output", type=Path, help="folder for the mattes")
    args = parser.parse_args()

    session = PortraitMatting(args.model, weights=args.weights, global_bound=args.global_bound)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
    rows = []
    pictures = composites(args.data, args.composites) if args.composites else held_out(args.data, args.scale)
    for name, photo, true in pictures:
        predicted = session.matte(photo, args.method, args.input_size)
        scores = score(predicted, true, trimap_of(true))
        rows.append((scores.sad, scores.sad_t, 1000 * scores.mad))
        print("{} SAD {:.2f} band {:.2f} MAD {:.2f}".format(name, *rows[-1]))
        if args.output:
            write_whole(args.output / f"{name}.png", encode_png(np.rint(predicted * 255).astype(np.uint8)))
    print("mean of {}: SAD {:.2f}, in the band {:.2f}, MAD {:.2f} x 1e-3".format(len(rows), *np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
