"""Matte any number of photos on a Ray cluster: every worker loads the model once.

Every machine needs ``pip install "ray[data]"`` and the folder that holds the plugin on its PYTHONPATH, but no Ikomia.
On one machine, Ray starts by itself. On a cluster, submit this with ``ray job submit``; all machines must see the
folders INPUT and OUTPUT. Results lie in subfolders as their photos do. Existing results are skipped, so a stopped run
can be started again.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from infer_p3m_portrait_matting.commands.destinations import Wanted, many
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.photos import load_photo
from infer_p3m_portrait_matting.p3m.files.read import SUFFIXES
from infer_p3m_portrait_matting.p3m.files.write import write_whole


class Matting:
    """One worker: a loaded model that mattes batches of files."""

    def __init__(self, model: str, method: str, input_size: int, device: str, output: str) -> None:
        from infer_p3m_portrait_matting.p3m import PortraitMatting

        self.matting = PortraitMatting(model, device)
        self.method, self.input_size, self.output = method, input_size, Path(output)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Matte the files of a batch (photo: path, name: of its result); add error, which is "" after a success."""
        images, errors = {}, {}
        for photo in batch["photo"]:
            try:
                images[photo] = load_photo(photo)
            except ValueError as error:
                errors[photo] = str(error)
            except Exception as error:  # one photo must not end the run of thousands
                errors[photo] = _text(error)
        mattes = self.mattes(images, errors)
        for photo, name in zip(batch["photo"], batch["name"], strict=True):
            if photo in mattes:
                try:
                    self.write(images[photo], mattes[photo], self.output / name)
                except Exception as error:
                    errors[photo] = _text(error)
        return {**batch, "error": np.array([errors.get(photo, "") for photo in batch["photo"]], dtype=object)}

    def mattes(self, images: dict[str, np.ndarray], errors: dict[str, str]) -> dict[str, np.ndarray]:
        """Matte photos together, which is faster on a GPU. ``errors`` receives what went wrong with one of them."""
        try:
            alphas = self.matting.matte_batch(list(images.values()), self.method, self.input_size)
            return dict(zip(images, alphas, strict=True))
        except Exception as error:
            if len(images) == 1:
                errors[next(iter(images))] = _text(error)
                return {}
        alone = [self.mattes({photo: image}, errors) for photo, image in images.items()]
        return {photo: alpha for found in alone for photo, alpha in found.items()}

    def write(self, photo: np.ndarray, alpha: np.ndarray, target: Path) -> None:
        """Write the cut-out of one photo, whole or not at all."""
        from infer_p3m_portrait_matting.p3m import cutout, estimate_foreground

        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, encode_png(cutout(estimate_foreground(photo, alpha), alpha)))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def todo(source: Path, output: Path) -> list[dict[str, str]]:
    """List the photos below a folder that have no result yet."""
    photos = (path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    places = [(photo, False, output / photo.parent.relative_to(source)) for photo in photos]
    # The command p3m names them alike: photo_cutout.png, or photo_jpg_cutout.png where names differ in their suffix.
    targets = ((item.source, item.targets["cutout"]) for item in many(places, Wanted(("cutout",), False, True)))
    return [
        {"photo": str(photo.resolve()), "name": target.relative_to(output).as_posix()}
        for photo, target in targets
        if not target.exists()
    ]


def _is_utf_8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path, help="folder of photos; its subfolders count")
    parser.add_argument("output", type=Path, help="folder for the cut-outs: PHOTO_cutout.png for each photo")
    parser.add_argument("--model", default="mobile", help="resnet34, vitae-s or mobile")
    parser.add_argument("--method", default="HYBRID", help="HYBRID or RESIZE")
    parser.add_argument("--input-size", type=int, default=1024, help="in pixels (default 1024)")
    parser.add_argument("--workers", type=int, default=2, help="how many models run side by side (default 2)")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs per worker; 0 computes on CPUs")
    parser.add_argument("--batch", type=int, default=8, help="photos handed to a worker at once")
    args = parser.parse_args()
    if not args.input.is_dir():
        parser.error(f"there is no folder {args.input}")
    if args.output.resolve().is_relative_to(args.input.resolve()):
        parser.error(f"{args.output} lies in {args.input}: results would be matted again; choose another folder")
    rows = todo(args.input, args.output)
    # Ray passes names on as UTF-8, and restarts its workers for ever over any other.
    unnamed = [row["photo"] for row in rows if not _is_utf_8(row["photo"])]
    rows = [row for row in rows if _is_utf_8(row["photo"])]
    for photo in unnamed:
        name = os.fsencode(photo).decode("utf-8", "backslashreplace")
        print(f"failed: {name}: its name is not UTF-8: rename it", file=sys.stderr)
    if not rows and unnamed:
        return 1
    if not rows:
        print("nothing to do: every photo has its result")
        return 0

    import ray

    settings = (args.model, args.method, args.input_size, "cuda" if args.gpus else "cpu", str(args.output.resolve()))
    done = ray.data.from_items(rows).map_batches(
        Matting,
        fn_constructor_args=settings,
        batch_size=args.batch,
        compute=ray.data.ActorPoolStrategy(size=args.workers),
        num_gpus=args.gpus,
    )
    failures = [row for row in done.iter_rows() if row["error"]]
    print(f"{len(rows) - len(failures)} of {len(rows)} photos done, results in {args.output}")
    for row in failures:
        named = row["error"] if row["error"].startswith(row["photo"]) else f"{row['photo']}: {row['error']}"
        print(f"failed: {named}", file=sys.stderr)
    return 1 if failures or unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
