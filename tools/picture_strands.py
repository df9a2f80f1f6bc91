"""Write docs/strands.png: loose hair whose alpha is known, and what two versions of the bundled model make of it.

The photo is scikit-image's astronaut (NASA, public domain), enlarged twice, with hair drawn behind the head by
training/strands.py. The head's outline was traced by hand, so that no version's own matte counts as true. To compare
with an earlier version, write the photo, let that version matte it, and name its matte:

    python -m tools.picture_strands --photo loose_hair.png
    p3m loose_hair.png --output matte --model mobile        (in a checkout of that version)
    python -m tools.picture_strands --before loose_hair_matte.png
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.data import astronaut

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.arrays import check_matte, to_uint8
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.read import read_grey
from infer_p3m_portrait_matting.p3m.files.write import write_whole
from tools.labelled_sheet import labelled_sheet
from training.people import hair_map
from training.strands import Style, add_strands

ROOT = Path(__file__).resolve().parent.parent
#: The part of the enlarged photo that is shown: rows and columns.
SHOWN = (slice(0, 420), slice(110, 770))
#: Rows of the photo above which strands take root.
NECK = 230
#: The person, (x, y) around head, collar and shoulders, traced on the enlarged photo. Below what is shown it is rough.
OUTLINE = (
    *((459, 31), (424, 43), (383, 60), (378, 70), (345, 87), (317, 111), (306, 138), (311, 199), (319, 215)),
    *((338, 234), (348, 256), (364, 265), (368, 297), (330, 300), (290, 313), (264, 332), (250, 352), (230, 373)),
    *((230, 393), (226, 410), (181, 453), (152, 471), (122, 503), (108, 534), (91, 559), (80, 588), (60, 660)),
    *((0, 1023), (760, 1023), (714, 639), (702, 573), (680, 524), (639, 486), (608, 468), (599, 439), (589, 421)),
    *((555, 383), (509, 354), (515, 321), (527, 302), (534, 274), (550, 269), (561, 253), (577, 239), (593, 214)),
    *((603, 171), (592, 117), (568, 75), (552, 62), (506, 40), (481, 32)),
)

_LONG = Style(
    count=700,
    lock=25,
    length=0.12,
    width=1.3,
    spread=0.12,
    flow=3.0,
    bend=0.35,
    wave=0.45,
    waves=1.3,
    flyaways=0.06,
    recede=0.0,
    gaps=0.0,
    light=0.18,
    rim=0.0,
    blur=0.0,
    radius=0.9,
    stream=np.pi / 2,
)


def loose_hair() -> tuple[np.ndarray, np.ndarray]:
    """Draw the picture.

    Returns:
        Photo, uint8 [1024, 900, 3] RGB, and its alpha, float32 [1024, 900] in [0, 1]: exact where hair was drawn.
    """
    photo = cv2.resize(astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)[:1024, :900]
    person = cv2.fillPoly(np.zeros(photo.shape[:2], np.uint8), [np.array(OUTLINE)], 255, cv2.LINE_AA)
    hair = hair_map(photo, person) / 255.0
    hair[NECK:] = 0

    def batch(picture: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.atleast_3d(picture).transpose(2, 0, 1).copy()).float().unsqueeze(0)

    front, behind, roots = batch(person / 255.0), batch(photo / 255.0), batch(hair)
    rng = np.random.default_rng(3)
    sides = (_LONG.stream, _LONG.stream + 0.5, _LONG.stream - 0.5)
    styles = [replace(_LONG, stream=angle) for angle in sides]
    styles.append(replace(_LONG, count=120, lock=2, width=0.9, flyaways=0.5, spread=0.5, flow=1.2, bend=1.2))
    color, alpha = behind, front
    for style in styles:
        color, alpha = add_strands(color, alpha, roots, [style], rng)
    hair_behind = alpha * color + (1 - alpha) * behind
    image = front * behind + (1 - front) * hair_behind
    drawn = (image[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8)
    return drawn.numpy(), torch.maximum(alpha, front)[0, 0].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, help="write only the photo, to this file")
    parser.add_argument("--before", type=Path, help="matte of the photo by an earlier version")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "strands.png")
    args = parser.parse_args()
    photo, alpha = loose_hair()
    if args.photo:
        write_whole(args.photo, encode_png(photo))
        return
    mattes = {"after": PortraitMatting("mobile").matte(photo), "drawn": alpha}
    if args.before:
        before = read_grey(args.before) / np.float32(255)
        check_matte(photo, before)
        mattes = {"before": before, **mattes}
    panels = {"photo": photo[SHOWN]}
    for name, matte in mattes.items():
        error = np.abs(matte - alpha)[SHOWN].sum() / 1000
        caption = name if name == "drawn" else f"{name}: SAD {error:.1f}"
        panels[caption] = np.dstack([to_uint8(matte[SHOWN])] * 3)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(args.output, encode_png(labelled_sheet(panels, columns=2)))


if __name__ == "__main__":
    main()
