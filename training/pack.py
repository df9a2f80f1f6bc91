"""Make a pack: estimate the colours of photos once, and write small files that are quick to read.

A pack has the layout of its source, ``train/`` and ``backgrounds/``. Each portrait is one lossy RGBA WebP file: RGB is
the person's own colour where the matte has any person, else the photo; A is the matte, without its faint veil. The
training program reads both packs and photos. A pack takes less space, and reading it needs no estimation of colours.
"""

import argparse
import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from infer_p3m_portrait_matting.evaluate.dataset import check_names, check_output
from infer_p3m_portrait_matting.p3m.files.pil_images import BROKEN
from infer_p3m_portrait_matting.p3m.files.read import read_rgb
from infer_p3m_portrait_matting.p3m.files.write import write_whole

from .portraits import Portrait, list_backgrounds, list_photos, read_portrait, shrunk

#: From this matte value up a pack holds the person's colour, below it the photo's.
PERSON = 12
#: Name of the file that marks a folder as a pack.
MARK = "PACK"
#: A matte below and above these is set to 0 and 255: this removes an invisible veil, and half of the file's size.
LOW, HIGH = 8, 247


def encode(portrait: Portrait, quality: int) -> bytes:
    """Encode a portrait as one WebP file.

    Args:
        portrait: see :class:`~.portraits.Portrait`.
        quality: of the colours, 0 to 100; the matte is kept exactly, except for its veil.
    """
    person = portrait.alpha[..., None] >= PERSON
    color = np.where(person, portrait.foreground, portrait.photo())
    alpha = portrait.alpha.copy()
    alpha[alpha < LOW] = 0
    alpha[alpha > HIGH] = 255
    return _webp(np.dstack([color, alpha]), quality)


def decode(name: str, data: bytes) -> Portrait:
    """Decode a file of :func:`encode`; fill in missing colours smoothly from those nearby.

    Args:
        name: the portrait's name.
        data: the file's content.

    Raises:
        ValueError: the data is not a whole RGBA image.
    """
    try:
        with Image.open(io.BytesIO(data)) as file:
            image, is_webp = np.array(file), file.format == "WEBP"
    except BROKEN as error:
        raise ValueError(f"{name} is no packed portrait, or a damaged one: remove it and pack again") from error
    if is_webp and image.ndim == 3 and image.shape[2] == 3:
        # WebP drops an alpha channel that is opaque everywhere: the person fills the picture.
        image = np.dstack([image, np.full_like(image[..., 0], 255)])
    if image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"{name} is no packed portrait: it has no alpha channel")
    color, alpha = image[..., :3], image[..., 3]
    person = alpha >= PERSON
    return Portrait(name, extend(color, person), extend(color, ~person), alpha.copy())


def decode_file(path: Path, long_side: int | None = None) -> Portrait:
    """Read one file of a pack; errors as of :func:`decode`.

    Args:
        path: the file.
        long_side: as for :func:`~.portraits.shrunk`.
    """
    name, *layers = decode(path.stem, path.read_bytes())
    return Portrait(name, *(shrunk(layer, long_side) for layer in layers))


def is_pack(data: Path) -> bool:
    """Tell whether a folder is a pack, by the packing program's mark."""
    return (data / MARK).exists()


def extend(color: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill unknown pixels with averages of known ones, near before far (a pull-push pyramid).

    Args:
        color: uint8 [H, W, 3].
        known: bool [H, W]; if nothing is known, the result is mid-grey.

    Returns:
        uint8 [H, W, 3].
    """
    weight = known.astype(np.float32)[..., None]
    levels: list[tuple[np.ndarray, np.ndarray]] = [(color * weight, weight)]
    while min(levels[-1][1].shape[:2]) > 1:
        smaller, weights = (cv2.pyrDown(x) for x in levels[-1])
        levels.append((smaller, weights[..., None]))
    total, weight = levels.pop()
    filled: np.ndarray = np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), 127.0).astype(np.float32)
    while levels:
        total, weight = levels.pop()
        up = cv2.pyrUp(filled, dstsize=weight.shape[1::-1])
        own = total / np.maximum(weight, 1e-6)
        trust = np.minimum(weight * 4, 1) if levels else weight
        filled = trust * own + (1 - trust) * up
    return np.rint(filled.clip(0, 255)).astype(np.uint8)


def _webp(image: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, alpha_quality=100, exact=True, method=4)
    return buffer.getvalue()


def _photo(path: Path, quality: int, long_side: int) -> bytes:
    return encode(read_portrait(path, long_side), quality)


def _background(path: Path, quality: int, long_side: int) -> bytes:
    return _webp(shrunk(read_rgb(path), long_side), quality)


def _pack(path: Path, output: Path, make: Callable[[Path], bytes]) -> None:
    target = output / f"{path.stem}.webp"
    if not target.exists():
        write_whole(target, make(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and, if at hand, backgrounds/")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pack; what is there is kept")
    parser.add_argument("--quality", type=int, default=80, help="of the colours, 0 to 100 (default 80)")
    parser.add_argument("--long-side", type=int, default=1024, help="shrink what is larger (default 1024 px)")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    args = parser.parse_args()

    jobs = []
    try:
        check_output(args.output, [args.data])
        for folder, listed, make in (("train", list_photos, _photo), ("backgrounds", list_backgrounds, _background)):
            paths = [p for held_out in (False, True) for p in listed(args.data / folder, held_out)]
            check_names(paths)
            jobs.append((args.output / folder, paths, make))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    args.output.mkdir(parents=True, exist_ok=True)
    # First: without it, an interrupted pack would be read as photos.
    (args.output / MARK).write_text("RGBA: the person's colour where there is any person, else the photo's.\n")
    # Forked children of a process that has used OpenMP would be killed.
    try:
        with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
            for output, paths, make in jobs:
                output.mkdir(exist_ok=True)
                made = partial(make, quality=args.quality, long_side=args.long_side)
                pack = partial(_pack, output=output, make=made)
                print(f"{len(list(pool.map(pack, paths, chunksize=8)))} files", flush=True)
    except (OSError, ValueError) as error:
        parser.exit(1, f"error: {error}; the files that are packed already are kept\n")


if __name__ == "__main__":
    main()
