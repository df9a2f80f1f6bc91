"""Measure what a mask, a trimap and strokes bring: ``python -m benchmarks.guided`` and one of the words below.

``masks``: held-out people before other backgrounds (--data, as for training). Each true matte becomes a mask whose edge
is up to 10 px off, and which is blunted to 1/8 or 1/16 of the photo's size. The program prints the mean SAD of the mask
alone, of our matte alone, and of both together, for the default band and for some others.

``pairs``: two people side by side, and an exact mask of one of them; SAD to that person's true matte, with the other
person beside them and alone before the same background.

``trimaps``: photos beside their mattes (--photos); the trimap is unknown where the true matte is 0.01 to 0.99.

``strokes``: photos beside NAME.sure.png (--photos, as for ``training.validate --bodies``), with strokes drawn in colour
(--strokes, a folder of NAME.png); what is lost and kept without and with them, in thousand pixels per megapixel.
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from benchmarks.groups import compose, person
from infer_p3m_portrait_matting.p3m import PortraitMatting, trimap_of_mask
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_data, read_rgb
from infer_p3m_portrait_matting.p3m.imaging.guide import corrections_of
from training.validate import composites, folder, lost_and_kept

#: By how many pixels the edge of a mask is off at most, and over how many pixels this varies.
ERROR, VARIES = 10, 32
FACTORS = (1, 8, 16)
BANDS = (6, 10, 14, 20, 32)
#: What both together must gain over the better of mask and matte.
GAIN = 2 / 3
#: How much worse a person beside somebody else may be than alone, and what strokes may leave.
BESIDE, LEFT = 1.3, 1.5
TRIMAP = 5.3


def sad(alpha: np.ndarray, true: np.ndarray) -> float:
    """Sum of absolute differences / 1000."""
    return float(np.abs(alpha - true).sum() / 1000)


def blunt(true: np.ndarray, factor: int, rng: np.random.Generator) -> np.ndarray:
    """Make a mask as a coarse segmentation would: uint8 [H / factor, W / factor] of 0 and 255."""
    height, width = true.shape
    inside = (true > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    noise = rng.standard_normal((height // VARIES + 2, width // VARIES + 2)).clip(-1, 1).astype(np.float32)
    wrong = distance + ERROR * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) > 0
    size = width // factor, height // factor
    return (cv2.resize(wrong.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5) * np.uint8(255)


def masks(net: PortraitMatting, data: Path, count: int) -> bool:
    """Compare mask, matte and both on held-out people; tell whether both gain a third for each factor."""
    people = [(net.matte(photo), net.local_alpha(photo), true) for _, photo, true in composites(data, count)]
    ours = [sad(alpha, true) for alpha, _, true in people]
    passed = True
    for factor in FACTORS:
        rng = np.random.default_rng(0)
        both = [(blunt(true, factor, rng), local, true) for _, local, true in people]
        alone = np.mean([sad(_enlarged(mask, true), true) for mask, _, true in both])
        found = {
            band: np.mean([sad(_filled(mask, band, local), true) for mask, local, true in both])
            for band in (None, *BANDS)
        }
        bands = " ".join(f"{band} px {value:.2f}" for band, value in found.items() if band is not None)
        gain = found[None] / min(alone, np.mean(ours))
        passed &= bool(gain <= GAIN)
        print(f"1/{factor}: mask {alone:.2f} ours {np.mean(ours):.2f} both {found[None]:.2f}, by band: {bands}")
        print(f"ratio both {gain:.2f}", flush=True)
    return passed


def pairs(net: PortraitMatting, cutouts: Path, pictures: Path, count: int) -> bool:
    """Compare a person beside another one with the same person alone, each with their own exact mask."""
    people, places, rng = list_images(cutouts), list_images(pictures), random.Random(0)
    rows = []
    for _ in range(count):
        two = [person(path) for path in rng.sample(people, 2)]
        background, state = read_rgb(rng.choice(places)), rng.getstate()
        picture, mattes = compose(two, background, 3, 0.8, rng)
        true = mattes[0]
        after = rng.getstate()
        rng.setstate(state)
        # The same person in the same place: the other one is there, but invisible.
        single, _ = compose([two[0], two[1] * np.array([1, 1, 1, 0], np.uint8)], background, 3, 0.8, rng)
        rng.setstate(after)
        mask = true > 0.5
        guided = [sad(net.matte(each, mask=mask), true) for each in (picture, single)]
        rows.append((*guided, sad(net.matte(single), true)))
    beside, alone, unguided = np.mean(rows, 0)
    print(f"beside another {beside:.2f} alone {alone:.2f} alone without a mask {unguided:.2f}")
    print(f"ratio {beside / alone:.2f}")
    return bool(beside <= BESIDE * alone)


def trimaps(net: PortraitMatting, photos: Path, suffix: str) -> bool:
    """Matte photos in the trimap of their true mattes."""
    rows = []
    for name, photo, true in folder(photos, suffix):
        trimap = np.where(true <= 0.01, 0, np.where(true >= 0.99, 255, 128)).astype(np.uint8)
        rows.append((sad(net.matte(photo), true), sad(net.matte(photo, trimap=trimap), true)))
        print("{} ours {:.2f} in the trimap {:.2f}".format(name, *rows[-1]), flush=True)
    print("mean: ours {:.2f} in the trimap {:.2f}".format(*np.mean(rows, 0)))
    return bool(np.mean(rows, 0)[1] <= TRIMAP)


def strokes(net: PortraitMatting, photos: Path, drawn: Path) -> bool:
    """Compare what is lost and kept without and with strokes."""
    passed = True
    for name, photo, sure in folder(photos, ".sure"):
        path = drawn / f"{name}.png"
        if not path.exists():
            continue
        before = lost_and_kept(net.matte(photo), sure)
        after = lost_and_kept(net.matte(photo, corrections=corrections_of(read_data(path), str(path))), sure)
        passed &= sum(after) < LEFT
        line = "{}: lost {:.2f} kept {:.2f}; with strokes lost {:.2f} kept {:.2f}"
        print(line.format(name, *before, *after), flush=True)
    return passed


def _filled(mask: np.ndarray, band: float | None, local: np.ndarray) -> np.ndarray:
    """Do what ``matte(photo, mask=mask, band=band)`` does, with a local alpha that is computed once for all masks."""
    height, width = local.shape
    trimap = trimap_of_mask(mask, height, width, band)
    return np.where(trimap == 128, local, trimap / np.float32(255))


def _enlarged(mask: np.ndarray, true: np.ndarray) -> np.ndarray:
    return cv2.resize(mask, true.shape[::-1], interpolation=cv2.INTER_LINEAR) / np.float32(255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("masks", "pairs", "trimaps", "strokes"))
    parser.add_argument("--data", type=Path, help="for masks: folder with train/ and backgrounds/, or a pack")
    parser.add_argument("--cutouts", type=Path, help="for pairs: folder of RGBA images, one person each")
    parser.add_argument("--pictures", type=Path, help="for pairs: folder of backgrounds without people")
    parser.add_argument("--photos", type=Path, help="for trimaps and strokes: photos beside their mattes")
    parser.add_argument("--suffix", default=".resnet34", help="for trimaps: of the mattes (default .resnet34)")
    parser.add_argument("--strokes", type=Path, default=Path("runs/guided/strokes"), help="folder of strokes")
    parser.add_argument("--count", type=int, default=24, help="pictures of masks and pairs")
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--weights", type=Path, help="weights file (default: the bundled or published one)")
    args = parser.parse_args()
    net = PortraitMatting(args.model, "cpu", args.weights)
    if args.what == "masks":
        passed = masks(net, args.data, args.count)
    elif args.what == "pairs":
        passed = pairs(net, args.cutouts, args.pictures, args.count)
    elif args.what == "trimaps":
        passed = trimaps(net, args.photos, args.suffix)
    else:
        passed = strokes(net, args.photos, args.strokes)
    raise SystemExit(not passed)


if __name__ == "__main__":
    main()
