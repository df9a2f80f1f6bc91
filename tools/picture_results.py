"""Write docs/results.png: what the plugin makes of one photo with its parameters, on the bundled model."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.data import astronaut

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.pipeline.pictures import look_for_faces, make_pictures
from infer_p3m_portrait_matting.pipeline.settings import Settings
from tools.labelled_sheet import labelled_sheet

ROOT = Path(__file__).resolve().parent.parent

SIDE = 384


def landscape(height: int, width: int) -> np.ndarray:
    """A drawn picture to stand in front of: an evening sky above hills, uint8 [H, W, 3] RGB."""
    y, x = np.mgrid[:height, :width] / (height, width)[0]
    sky = np.array([255, 170, 110]) * (y + 0.25)[..., None] + np.array([60, 90, 170]) * (0.9 - y)[..., None]
    for top, color in ((0.62, (90, 90, 120)), (0.72, (60, 80, 80)), (0.84, (35, 55, 45))):
        ridge = top + 0.06 * np.sin(9 * x * top + 5 * top) + 0.02 * np.sin(31 * x)
        sky = np.where((y > ridge)[..., None], color, sky)
    return sky.clip(0, 255).astype(np.uint8)


def on_tiles(picture: np.ndarray) -> np.ndarray:
    """RGBA on a checkerboard; other pictures as they are, grey ones as RGB."""
    if picture.ndim == 2:
        return np.dstack([picture] * 3)
    if picture.shape[2] == 3:
        return picture
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    tiles = np.where((x // 16 + y // 16) % 2, 255.0, 208.0)[..., None]
    alpha = picture[..., 3:] / 255.0
    return np.rint(alpha * picture[..., :3] + (1 - alpha) * tiles).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "docs" / "results.png")
    output = parser.parse_args().output
    photo = astronaut()
    alpha = PortraitMatting("mobile").matte(photo)
    plain = Settings(model_name="mobile")

    def make(**parameters: Any):
        settings = replace(plain, **parameters)
        faces = look_for_faces(photo, settings, "the photo")
        return make_pictures(photo, alpha, settings, landscape(*alpha.shape), faces)

    shown = {
        "photo": photo,
        "matte": make().matte,
        "cutout": make().cutout,
        'background="#2b5876"': make(background="#2b5876").composite,
        'background="blur"': make(background="blur").composite,
        'background="image"': make(background="image").composite,
        'anonymize="blur"': make(anonymize="blur", background="#2b5876").composite,
        'anonymize="pixelate"': make(anonymize="pixelate").cutout,
    }
    small = {
        caption: cv2.resize(on_tiles(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for caption, picture in shown.items()
    }
    sheet = labelled_sheet(small, columns=4)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    main()
