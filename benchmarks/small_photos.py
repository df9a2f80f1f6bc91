"""Measure the error against a photo's size: the photo as it is, and enlarged to 512 px before matting."""

import argparse

import cv2
import numpy as np
from skimage import data

from infer_p3m_portrait_matting.p3m import PortraitMatting

SIDES = (48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512)


def main() -> None:
    """Print one line per size: mean absolute difference x 1000 from the large photo's matte at that size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile", help="resnet34, vitae-s or mobile (default: %(default)s)")
    matting, photo = PortraitMatting(parser.parse_args().model, "cpu"), data.astronaut()
    full = matting.matte(photo)
    print("side    HYBRID   RESIZE   enlarged by hand (HYBRID)")
    for side in SIDES:
        size = (side, side)
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        wanted = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
        enlarged = matting.matte(cv2.resize(small, (512, 512), interpolation=cv2.INTER_LINEAR))
        mattes = (
            matting.matte(small, "HYBRID"),
            matting.matte(small, "RESIZE"),
            cv2.resize(enlarged, size, interpolation=cv2.INTER_AREA),
        )
        print(f"{side:4d}", *(f"{1000 * np.abs(matte - wanted).mean():8.2f}" for matte in mattes))


if __name__ == "__main__":
    main()
