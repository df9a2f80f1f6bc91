"""Measure how well one person is separated from others, on groups composed of cut-outs with known mattes.

The program puts two or three people side by side onto a picture: apart, close or overlapping, large or small in the
photo. The people come from a folder of cut-outs (RGBA: a photo and its matte, one person each), the pictures from
another folder. A box asks for one of the people. As if drawn by hand, it is up to 4 % off on each side. The program
prints the mean SAD to that person's true matte, for three mattes: of the whole photo ("all"), of the whole photo with
the other people cut away ("kept"), and of the box and its context, cut likewise ("box").
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from infer_p3m_portrait_matting.p3m import Box, PortraitMatting, matte_person
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_rgb, read_rgba
from infer_p3m_portrait_matting.p3m.imaging.subject import keep_person

HEIGHT = 640
#: Pixels between two people.
GAPS = {"apart": 60, "close": 3, "overlapping": -30}
#: Height of the people as a share of the photo's.
SIZES = {"large": 0.8, "small": 0.35}


def person(path: Path) -> np.ndarray:
    """Read a cut-out and crop it to the person: uint8 [H, W, 4] RGBA."""
    image = read_rgba(path)
    rows, columns = (np.flatnonzero((image[..., 3] > 20).any(axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def compose(
    people: list[np.ndarray], background: np.ndarray, gap: int, size: float, rng: random.Random
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Put people side by side; return the picture, uint8 [H, W, 3], and what each covers, float32 [H, W]."""
    scaled = []
    for one in people:
        height = HEIGHT * size * rng.uniform(0.8, 1.1)
        scale = min(height / one.shape[0], 0.6 * HEIGHT * size / one.shape[1])
        scaled.append(cv2.resize(one, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:HEIGHT])
    needed = sum(one.shape[1] for one in scaled) + gap * (len(scaled) - 1) + 40
    width = max(needed, HEIGHT * 3 // 2)
    picture = cv2.resize(background, (width, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    mattes: list[np.ndarray] = []
    left = 20 + (width - needed) // 2
    for one in scaled:
        h, w = one.shape[:2]
        layer = np.zeros((HEIGHT, width, 4), np.float32)
        layer[HEIGHT - h :, left : left + w] = one
        alpha = layer[..., 3] / 255
        picture += alpha[..., None] * (layer[..., :3] - picture)
        mattes = [matte * (1 - alpha) for matte in mattes] + [alpha]
        left += w + gap
    return np.rint(picture).astype(np.uint8), mattes


def drawn_box(matte: np.ndarray, rng: random.Random) -> Box:
    """Return a person's box as somebody draws it: up to 4 % off on each side."""
    rows, columns = (np.flatnonzero((matte > 0.1).any(axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    off = [rng.uniform(-0.04, 0.04) for _ in range(4)]
    x, y = left + off[0] * (right - left), top + off[1] * (bottom - top)
    return Box(x, y, right + off[2] * (right - left) - x, bottom + off[3] * (bottom - top) - y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cutouts", type=Path, required=True, help="folder of RGBA images, one person each")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of backgrounds without people")
    parser.add_argument("--count", type=int, default=20, help="groups of each kind")
    parser.add_argument("--model", default="mobile")
    arguments = parser.parse_args()
    cutouts, pictures = list_images(arguments.cutouts), list_images(arguments.pictures)
    net = PortraitMatting(arguments.model, "cpu")
    rng = random.Random(0)
    print(f"{'people':>6} {'size':>6} {'':>12} {'all':>7} {'kept':>7} {'box':>7}")
    for size, share in SIZES.items():
        for count in (2, 3):
            for name, gap in GAPS.items():
                rows = []
                for _ in range(arguments.count):
                    people = [person(path) for path in rng.sample(cutouts, count)]
                    picture, mattes = compose(people, read_rgb(rng.choice(pictures)), gap, share, rng)
                    truth = mattes[rng.randrange(count)]
                    box = drawn_box(truth, rng)
                    whole = net.matte(picture)
                    got = (whole, keep_person(whole, box), matte_person(net.matte, picture, box))
                    rows.append([np.abs(alpha - truth).sum() / 1000 for alpha in got])
                means = " ".join(f"{mean:7.2f}" for mean in np.mean(rows, 0))
                print(f"{count:>6} {size:>6} {name:>12} {means}", flush=True)


if __name__ == "__main__":
    main()
