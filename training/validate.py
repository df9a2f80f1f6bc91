"""Measure a weights file on what was held out from training: SAD, SAD-T (in the transition band), GRAD and CONN.

For photos with mattes outside of training there is ``python -m infer_p3m_portrait_matting.evaluate``.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from infer_p3m_portrait_matting.evaluate.dataset import MATTES, PHOTOS, check_output, pair_of, two_folders
from infer_p3m_portrait_matting.p3m import METHODS, PortraitMatting, score, trimap_of
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.write import write_whole
from infer_p3m_portrait_matting.p3m.model.registry import get_variant

from .augment import KEYED, Recipe, Sampler
from .gallery import load_gallery
from .pack import decode_file, is_pack
from .portraits import HELD_OUT, list_photos

#: Name, photo (uint8 [H, W, 3] RGB) and true matte (float32 [H, W] in [0, 1]).
Picture = tuple[str, np.ndarray, np.ndarray]

#: People before other backgrounds, half of them with foreign objects, which few of the photos show.
COMPOSITES = Recipe(composites=1.0, others=0.2, objects=0.5, empty=0.0)
#: Heads with true hair before other backgrounds, without drawn strands or other people.
HAIR = Recipe(composites=1.0, keyed=1.0, others=0.0, objects=0.3, empty=0.0, turned=0.2, relit=0.2)
#: A photo of which more is lost, or to which more is kept, counts as bad; see :func:`lost_and_kept`.
TOO_MUCH_LOST, TOO_MUCH_KEPT = 3.0, 5.0
_SIZES = ((1088, 736), (896, 896), (736, 1088))


def photos(data: Path, scale: float) -> Iterator[Picture]:
    """Yield each held-out photo of a folder or a pack, enlarged ``scale`` times."""
    packed = is_pack(data)
    for path in list_photos(data / "train", held_out=True):
        portrait = decode_file(path) if packed else None
        image = np.dstack((portrait.photo(), portrait.alpha) if portrait else pair_of(path).read_8bit())
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale != 1 else image
        yield path.stem, np.ascontiguousarray(image[..., :3]), image[..., 3].astype(np.float32) / 255


def composites(data: Path, count: int, recipe: Recipe = COMPOSITES) -> Iterator[Picture]:
    """Yield held-out people before held-out backgrounds: always the same pictures, of 0.8 megapixels.

    Args:
        data: folder with ``train/`` and ``backgrounds/``, or a pack.
        count: how many pictures.
        recipe: what they are made of.

    Raises:
        ValueError: no photo that the recipe asks for is held out.
    """
    portraits, backgrounds = load_gallery(data, torch.device("cpu"), held_out=True)
    if recipe.keyed == 1.0:
        portraits = [portrait for portrait in portraits if portrait.name.startswith(KEYED)]
    sampler = Sampler(portraits, backgrounds)
    for index in range(count):
        height, width = _SIZES[np.random.default_rng((0, index)).integers(len(_SIZES))]
        batch = sampler.batch(recipe, 1, height, width, (0, index))
        image = batch.image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0)
        yield f"composite {index}", image.contiguous().numpy(), batch.alpha[0, 0].contiguous().numpy()


def folder(pictures: Path, suffix: str) -> Iterator[Picture]:
    """Yield each photo of a folder whose matte lies beside it as ``NAME<suffix>.png``."""
    for pair in two_folders(pictures, pictures, suffix=suffix):
        photo, matte, _ = pair.read()
        yield pair.name, photo, matte


def in_true_trimap(session: PortraitMatting, photo: np.ndarray, true: np.ndarray, input_size: int) -> np.ndarray:
    """Matte a photo as if the segmentation were right: the local alpha where the true matte is 0.01 to 0.99."""
    local = session.local_alpha(photo, input_size)
    return np.where((true > 0.01) & (true < 0.99), local, true > 0.5).astype(np.float32)


def lost_and_kept(alpha: np.ndarray, sure: np.ndarray) -> tuple[float, float]:
    """Measure how much of a person is missing from a matte, and how much else is in it.

    Args:
        alpha: float [H, W] in [0, 1].
        sure: float [H, W]: 1 where there surely is a person, 0 where there surely is none, 0.5 where nothing counts.

    Returns:
        Sum of 1 - alpha over the person, and sum of alpha over the background, in thousand pixels of a photo of one
        megapixel.
    """
    scale = 1000 / sure.size
    return float((1 - alpha)[sure > 0.9].sum() * scale), float(alpha[sure < 0.1].sum() * scale)


def validate_bodies(
    session: PortraitMatting, pictures: Path, method: str, input_size: int
) -> list[tuple[float, float]]:
    """Print :func:`lost_and_kept` of each photo ``NAME`` that lies beside its ``NAME.sure.png``, and return them."""
    rows = []
    for name, photo, sure in folder(pictures, ".sure"):
        rows.append(lost_and_kept(session.matte(photo, method, input_size), sure))
        print("{} lost {:.2f} kept {:.2f}".format(name, *rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="folder with train/ (RGBA, or blurred_image/ beside mask/), or a pack"
    )
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--weights", type=Path, help="weights file (default: the bundled or published one)")
    parser.add_argument("--method", default="HYBRID", choices=METHODS)
    parser.add_argument("--input-size", type=int, default=1024)
    parser.add_argument("--global-bound", type=int, help="instead of the model's own bound of the global pass")
    parser.add_argument("--unknown-above", type=float, help="instead of the model's own rule for the unknown area")
    parser.add_argument(
        "--second-look", type=float, nargs=2, metavar=("LOST", "CLOSED"), help="instead of the model's own limits"
    )
    parser.add_argument("--true-trimap", action="store_true", help="take the unknown area from the true matte")
    parser.add_argument("--scale", type=float, default=1.0, help="enlarge held-out photos so many times")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument("--composites", type=int, metavar="N", help="N composites of held-out pictures instead")
    pictures.add_argument("--hair", type=int, metavar="N", help="N composites of held-out heads with true hair instead")
    pictures.add_argument("--folder", type=Path, help="photos of this folder, beside their mattes, instead")
    pictures.add_argument(
        "--bodies", type=Path, metavar="DIR", help="photos beside NAME.sure.png instead: what is lost, and what is kept"
    )
    parser.add_argument("--suffix", default=".resnet34", help="of the mattes in --folder (default .resnet34)")
    parser.add_argument("--output", type=Path, help="folder for the mattes")
    args = parser.parse_args()
    if sum(place is not None for place in (args.data, args.folder, args.bodies)) != 1:
        parser.error("name the pictures by --data, by --folder or by --bodies")
    if args.bodies and (args.output or args.true_trimap):
        parser.error(
            "--bodies writes no mattes, and its photos have no true ones: leave out --output and --true-trimap"
        )

    if args.output:
        read = [args.folder] if args.folder else [args.data / "train" / name for name in (".", *PHOTOS, MATTES)]
        try:
            check_output(args.output, read)
        except ValueError as error:
            parser.error(str(error))
    rules = {name: getattr(args, name) for name in ("global_bound", "unknown_above", "second_look")}
    variant = replace(get_variant(args.model), **{name: rule for name, rule in rules.items() if rule is not None})
    session = PortraitMatting(variant, "cpu", args.weights)
    if args.bodies:
        try:
            found_bodies = validate_bodies(session, args.bodies, args.method, args.input_size)
        except FileNotFoundError as error:
            parser.error(str(error))
        bad = sum(lost > TOO_MUCH_LOST or kept > TOO_MUCH_KEPT for lost, kept in found_bodies)
        means = np.mean(found_bodies, axis=0)
        print("mean of {}: lost {:.2f} kept {:.2f}, bad {}".format(len(found_bodies), *means, bad))
        return
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
    if args.folder:
        chosen = folder(args.folder, args.suffix)
    elif args.composites or args.hair:
        chosen = composites(args.data, args.composites or args.hair, HAIR if args.hair else COMPOSITES)
    else:
        chosen = photos(args.data, args.scale)
    matte = partial(in_true_trimap, session) if args.true_trimap else None
    rows = []
    for name, photo, true in chosen:
        found = matte(photo, true, args.input_size) if matte else session.matte(photo, args.method, args.input_size)
        scores = score(found, true, trimap_of(true))
        rows.append((scores.sad, scores.sad_t, scores.grad, scores.conn))
        print("{} SAD {:.2f} SAD-T {:.2f} GRAD {:.2f} CONN {:.2f}".format(name, *rows[-1]), flush=True)
        if args.output:
            write_whole(args.output / f"{name}.png", encode_png(np.rint(found * 255).astype(np.uint8)))
    if not rows:
        parser.error(f"none of the photos in {args.data} is held out: one in {HELD_OUT} is, on average")
    print("mean of {}: SAD {:.2f} SAD-T {:.2f} GRAD {:.2f} CONN {:.2f}".format(len(rows), *np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
