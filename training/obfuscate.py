"""Hide the faces in photos with mattes, to prepare data for privacy-preserving training.

python -m training.obfuscate --photos original_image --mattes mask --output blurred_image
python -m training.obfuscate --photos DIR --output OUT

Without --mattes, the photos and the results are RGBA images whose alpha is the matte. The program hides the inner area
of every face and spares the matte's transition area (Li et al. 2021, section 3.1). It leaves out and lists a photo in
which it finds no face, so that the output folder holds no open face.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from infer_p3m_portrait_matting.evaluate.dataset import Pair, check_names, check_output, two_folders
from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, find_faces, hide_faces
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.read import list_images
from infer_p3m_portrait_matting.p3m.files.write import write_whole


def photos_with_mattes(photos: Path, mattes: Path | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, photo (uint8 [H, W, 3] RGB) and matte (uint8 [H, W]) of each photo.

    Raises:
        FileNotFoundError: a folder or a matte is missing.
        ValueError: a file is not an image, or has no alpha, or two have the same name.
    """
    if mattes is not None:
        pairs = two_folders(photos, mattes)
    else:
        check_names(files := list_images(photos))
        pairs = [Pair(path.stem, path) for path in files]
    for pair in pairs:
        try:
            photo, matte = pair.read_8bit()
        except ValueError as error:
            hint = ": name the folder of the mattes by --mattes" if mattes is None else ""
            raise ValueError(f"{error}{hint}") from error
        yield pair.name, photo, matte


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--mattes", type=Path, help="folder of mattes NAME.png")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results, NAME.png")
    parser.add_argument("--obfuscation", default="blur", choices=OBFUSCATIONS)
    args = parser.parse_args(arguments)

    faceless, count = [], 0
    try:
        check_output(args.output, filter(None, (args.photos, args.mattes)))
        args.output.mkdir(parents=True, exist_ok=True)
        for name, photo, matte in tqdm(photos_with_mattes(args.photos, args.mattes), unit="photo"):
            faces = find_faces(photo)
            if not faces:
                faceless.append(name)
                continue
            hidden = hide_faces(photo, matte.astype(np.float32) / 255, faces, args.obfuscation)
            picture = hidden if args.mattes else np.dstack([hidden, matte])
            write_whole(args.output / f"{name}.png", encode_png(picture))
            count += 1
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} photos written to {args.output}")
    if faceless:
        print(f"no face was found in {len(faceless)}, left out: {', '.join(faceless)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
