"""Write docs/adjusted.png: what each adjustment makes of one matte, on the bundled model."""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.data import astronaut

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.pipeline.pictures import make_pictures
from infer_p3m_portrait_matting.pipeline.settings import Settings
from tools.picture_results import on_tiles

ROOT = Path(__file__).resolve().parent.parent
SIDE, GAP, TEXT = 288, 10, 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "docs" / "adjusted.png")
    output = parser.parse_args().output
    photo = astronaut()
    alpha = PortraitMatting("mobile").matte(photo)
    # Islands, such as a network leaves them now and then: drawn, for want of any in this matte.
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    for left, top, radius in ((78, 86, 13), (112, 50, 8), (440, 230, 10)):
        alpha = np.maximum(alpha, np.clip(radius + 0.5 - np.hypot(x - left, y - top), 0, 1).astype(np.float32))
    shown = {
        "photo": photo,
        "matte": make(photo, alpha).matte,
        "invert=True": make(photo, alpha, invert=True).matte,
        "feather=10": make(photo, alpha, feather=10.0).matte,
        "shift=8": make(photo, alpha, shift=8).matte,
        "shift=-8": make(photo, alpha, shift=-8).matte,
        "despeckle=0.01": make(photo, alpha, despeckle=0.01).matte,
        "despeckle=0.01, crop=5 (cut-out)": make(photo, alpha, despeckle=0.01, crop="5").cutout,
    }
    sheet = np.full((2 * (SIDE + TEXT) + GAP, 4 * SIDE + 3 * GAP, 3), 255, np.uint8)
    for index, (caption, picture) in enumerate(shown.items()):
        top, left = index // 4 * (SIDE + TEXT + GAP), index % 4 * (SIDE + GAP)
        scale = SIDE / alpha.shape[0]
        small = cv2.resize(on_tiles(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        sheet[top + TEXT : top + TEXT + height, left : left + width] = small
        # A frame shows where a picture ends.
        cv2.rectangle(sheet, (left, top + TEXT), (left + width - 1, top + TEXT + height - 1), (160, 160, 160), 1)
        cv2.putText(sheet, caption, (left, top + 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


def make(photo: np.ndarray, alpha: np.ndarray, **parameters: Any):
    """The plugin's three pictures."""
    return make_pictures(photo, alpha, Settings(model_name="mobile", **parameters))


if __name__ == "__main__":
    main()
