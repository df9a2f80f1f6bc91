"""Draw the pictures of README and docs from examples/portrait.jpg, with the bundled model: docs/*.jpg.

Run ``python -m tools.pictures`` after the weights change; ``--photo`` and ``--hair`` show how another photo looks.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from infer_p3m_portrait_matting.p3m import (
    PortraitMatting,
    adjust,
    blurred_background,
    composite,
    cutout,
    estimate_foreground,
    load_photo,
    person_window,
    to_uint8,
)

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "portrait.jpg"
#: Where the photo's hair is: left, top, right, bottom in pixels.
HAIR = (528, 0, 912, 320)
#: The width at which the adjustments are shown: at that of a panel, a shift of 3 px can be seen.
SMALL = 400
#: How many pixels of the picture a pixel of the mask covers that leads the matting.
COARSE = 8
MARGIN, GAP, TEXT = 32, 20, 22
INK, PAPER, FRAME = "#1f2328", "#ffffff", "#d0d7de"
COLOR = (38, 84, 124)


def sheet(panels: Mapping[str, np.ndarray], columns: int, width: int) -> Image.Image:
    """Lay pictures out in rows, each above its caption, in a frame that shows where a picture ends.

    Args:
        panels: caption -> uint8 [H, W], [H, W, 3] or [H, W, 4]; the first one's shape is that of all cells.
        columns: pictures in a row.
        width: of the sheet, in pixels.
    """
    first = next(iter(panels.values()))
    cell = (width - 2 * MARGIN - (columns - 1) * GAP) // columns
    height = round(cell * first.shape[0] / first.shape[1])
    step = height + TEXT + 2 * GAP
    rows = -(-len(panels) // columns)
    drawn = Image.new("RGB", (width, 2 * MARGIN + rows * step - GAP), PAPER)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(TEXT)
    for index, (caption, pixels) in enumerate(panels.items()):
        left, top = MARGIN + index % columns * (cell + GAP), MARGIN + index // columns * step
        scale = cell / first.shape[1]
        size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        drawn.paste(Image.fromarray(on_tiles(pixels)).resize(size, Image.Resampling.LANCZOS), (left, top))
        pen.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=FRAME)
        pen.text((left, top + height + GAP // 2), caption, INK, font)
    return drawn


def on_tiles(picture: np.ndarray) -> np.ndarray:
    """Put a picture with alpha onto a checkerboard; others stay as they are."""
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    tiles = np.where((x // 20 + y // 20) % 2, 255.0, 221.0)[..., None]
    alpha = picture[..., 3:] / 255.0
    return np.rint(alpha * picture[..., :3] + (1 - alpha) * tiles).astype(np.uint8)


def adjusted(photo: np.ndarray, alpha: np.ndarray) -> dict[str, np.ndarray]:
    """Apply each adjustment to a small photo's matte; return caption -> picture."""
    # Islands, as a network leaves them now and then: drawn, since this matte has none.
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    islands = alpha
    height, width = alpha.shape
    for left, top, radius in ((0.8, 0.3, 10), (0.9, 0.15, 6), (0.75, 0.7, 8)):
        distance = np.hypot(x - left * width, y - top * height)
        islands = np.maximum(islands, np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32))
    clean = adjust(islands, despeckle=0.01)
    return {
        "photo": photo,
        "matte": to_uint8(islands),
        "invert=True": to_uint8(adjust(islands, invert=True)),
        "feather=6": to_uint8(adjust(islands, feather=6.0)),
        "shift=3": to_uint8(adjust(islands, shift=3)),
        "shift=-3": to_uint8(adjust(islands, shift=-3)),
        "despeckle=0.01": to_uint8(clean),
        "despeckle=0.01, crop=5": cutout(photo, clean)[person_window(clean, 5)],
    }


def guided(colors: np.ndarray, alpha: np.ndarray, net: PortraitMatting) -> dict[str, np.ndarray]:
    """Put a person in front of their mirror image, and let a coarse mask ask for one of both: caption -> picture."""
    window = person_window(alpha, 0)
    person = Image.fromarray(cutout(colors, alpha)[window])
    width, height = person.size
    behind = person.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = Image.new("RGBA", (width * 18 // 10, height), "#8a9a8e")
    picture.alpha_composite(behind, (width * 8 // 10, 0))
    front = Image.new("RGBA", picture.size)
    front.paste(person)
    picture.alpha_composite(front)
    two = np.asarray(picture.convert("RGB"))
    small = front.getchannel("A").resize([-(-side // COARSE) for side in front.size], Image.Resampling.BOX)
    mask = np.asarray(small) >= 128
    everybody, found = net.matte(two), net.matte(two, mask=mask)
    return {
        "photo": two,
        "matting alone": cutout(estimate_foreground(two, everybody), everybody),
        "mask of a segmentation": to_uint8(mask.repeat(COARSE, 0).repeat(COARSE, 1).astype(np.float32))[
            :height, : two.shape[1]
        ],
        "segmentation, then matting": cutout(estimate_foreground(two, found), found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=PHOTO, help="the photo (default: examples/portrait.jpg)")
    parser.add_argument("--hair", type=int, nargs=4, default=HAIR, metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"))
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder for the pictures (default: docs)")
    args = parser.parse_args()
    photo = load_photo(args.photo)
    net = PortraitMatting("mobile")
    alpha = net.matte(photo)
    colors = estimate_foreground(photo, alpha)
    on_color = composite(colors, alpha, COLOR)
    left, top, right, bottom = args.hair
    hair = slice(top, bottom), slice(left, right)
    results = {
        "photo": photo,
        "alpha matte": to_uint8(alpha),
        "cut-out": cutout(colors, alpha),
        "on a colour": on_color,
        "its own background, blurred": composite(colors, alpha, blurred_background(photo, alpha)),
        "on white": composite(colors, alpha, "white"),
    }
    closer = {"photo": photo[hair], "alpha matte": to_uint8(alpha)[hair], "on a colour": on_color[hair]}
    args.output.mkdir(parents=True, exist_ok=True)
    sheet(results, 3, 1600).save(args.output / "results.jpg", quality=85, optimize=True)
    sheet(closer, 3, 1600).save(args.output / "hair.jpg", quality=88, optimize=True)
    sheet(guided(colors, alpha, net), 4, 1280).save(args.output / "guided.jpg", quality=85, optimize=True)
    size = SMALL, round(SMALL * photo.shape[0] / photo.shape[1])
    small = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (photo, alpha))
    sheet(adjusted(*small), 4, 1280).save(args.output / "adjusted.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
