"""Matte one photo in an Ikomia workflow: writes PHOTO_matte.png, _cutout.png, _composite.png and _preview.png.

``make demo PHOTO=path`` installs what this needs and runs it.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from ikomia.dataio import CDataImageIO, CDataVideoIO
from ikomia.dataprocess.workflow import Workflow
from ikomia.utils import ik

from infer_p3m_portrait_matting.p3m.arrays import as_rgb, to_uint8
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.photos import load_photo
from infer_p3m_portrait_matting.p3m.files.write import write_whole

#: The photo of the documentation's pictures.
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "portrait.jpg"


def preview(photo: np.ndarray, matte: np.ndarray, cutout: np.ndarray, composite: np.ndarray) -> np.ndarray:
    """Put photo, matte, cut-out on a checkerboard and composite side by side.

    Args:
        photo: uint8 RGB [H, W, 3].
        matte: uint8 [H, W].
        cutout: uint8 RGBA [H, W, 4].
        composite: uint8 RGB [H, W, 3], or RGBA [H, W, 4].

    Returns:
        uint8 RGB [h, 4 w + 3 gaps, 3], 720 px high at most.
    """
    height, width = matte.shape
    scale = min(1.0, 720 / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    y, x = np.mgrid[: size[1], : size[0]]
    tiles = np.where((x // 16 + y // 16) % 2, 255.0, 208.0)[..., None]
    photo, matte, cutout, composite = (
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (photo, matte, cutout, composite)
    )

    def on_tiles(picture: np.ndarray) -> np.ndarray:
        if picture.shape[2] == 3:
            return picture
        alpha = picture[..., 3:] / 255.0
        return np.rint(alpha * picture[..., :3] + (1 - alpha) * tiles).astype(np.uint8)

    gap = np.full((size[1], 8, 3), 255, np.uint8)
    return np.hstack([photo, gap, np.dstack([matte] * 3), gap, on_tiles(cutout), gap, on_tiles(composite)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", help="the photo; without it, examples/portrait.jpg")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the pictures (default: output)")
    parser.add_argument("--model", default="resnet34", help="resnet34, vitae-s or mobile")
    parser.add_argument("--method", default="HYBRID", help="HYBRID or RESIZE")
    parser.add_argument("--input-size", default="1024", help="longest side of what the network sees, in pixels")
    parser.add_argument(
        "--background",
        default="#ffffff",
        help="behind the person in PHOTO_composite.png: a colour, transparent, blur or image",
    )
    parser.add_argument("--background-file", default="", help="picture for --background image")
    args = parser.parse_args()
    if args.photo and not Path(args.photo).is_file():
        parser.error(f"there is no photo {args.photo}")
    if args.photo and CDataVideoIO.is_video_format(Path(args.photo).suffix, True):
        parser.error(f"{args.photo} is a video: docs/videos-and-folders.md shows how videos are matted")
    if not hasattr(ik, "infer_p3m_portrait_matting"):
        parser.error("the plugin is not installed in this Ikomia: run tools/link_plugin.py")

    wf = Workflow()
    try:
        task = wf.add_task(
            ik.infer_p3m_portrait_matting(
                cuda="auto",
                model_name=args.model,
                method=args.method,
                input_size=args.input_size,
                background=args.background,
                background_file=args.background_file,
            ),
            auto_connect=True,
        )
        started = time.perf_counter()
        if args.photo and CDataImageIO.is_image_format(Path(args.photo).suffix):
            wf.run_on(path=args.photo)
        elif args.photo:
            wf.run_on(array=load_photo(args.photo))  # HEIC, AVIF and others, which Ikomia does not open
        else:
            wf.run_on(path=str(EXAMPLE))
        seconds = time.perf_counter() - started
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    composite, matte, cutout = (task.get_output(index).get_image() for index in range(3))
    photo = to_uint8(as_rgb(task.get_input(0).get_image()))
    pictures = {"matte": matte, "cutout": cutout, "composite": composite}
    pictures["preview"] = preview(photo, matte, cutout, composite)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            write_whole(args.output / f"{Path(args.photo or EXAMPLE).stem}_{name}.png", encode_png(picture))
    except OSError as error:
        print(f"error: the pictures cannot be written to {args.output}: {error}", file=sys.stderr)
        return 1
    session = task.session
    print(f"weights: {session.model_name}, {session.weights}, on {session.device}")
    print(f"time: {seconds:.2f} s for {matte.shape[1]} x {matte.shape[0]} px, loading included; see {args.output}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
