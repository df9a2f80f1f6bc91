"""Matte every photo of a folder in an Ikomia workflow, and list the failures at the end.

This needs Ikomia with this plugin (``make install``). Ikomia writes the results below OUTPUT: three PNGs a photo.
"""

import argparse
import sys
from pathlib import Path

from ikomia.dataio import CDataImageIO
from ikomia.dataprocess.workflow import Workflow
from ikomia.utils import ik


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of photos; its subfolders count")
    parser.add_argument("output", type=Path, help="folder for the results")
    parser.add_argument("--model", default="resnet34", help="resnet34, vitae-s or mobile")
    parser.add_argument("--background", default="transparent", help="a colour, transparent or blur")
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"there is no folder {args.folder}")
    if args.output.resolve().is_relative_to(args.folder.resolve()):
        parser.error(f"{args.output} lies in {args.folder}: results would be matted again; choose another folder")

    files = [path for path in sorted(args.folder.rglob("*")) if path.is_file()]
    passed_over = [path for path in files if not CDataImageIO.is_image_format(path.suffix)]
    before = set(args.output.rglob("*_cutout.png"))
    wf = Workflow()
    wf.output_folder = str(args.output)
    matting = wf.add_task(
        ik.infer_p3m_portrait_matting(model_name=args.model, background=args.background), auto_connect=True
    )
    # Ikomia reports a file that fails, and continues. Some files end the run, such as truncated PNGs.
    ended_by = ""
    try:
        wf.run_on(folder=str(args.folder))
    except RuntimeError as error:
        ended_by = str(error)
    done = len(set(args.output.rglob("*_cutout.png")) - before)
    print(f"{done} of {len(files) - len(passed_over)} photos done, results are in {args.output}")
    if ended_by:
        print(f"the run ended early: {ended_by}", file=sys.stderr)
    if passed_over:
        names = ", ".join(str(path.relative_to(args.folder)) for path in passed_over)
        print(f"not counted, as Ikomia opens them as no photos: {names}", file=sys.stderr)
    # Results that could not be saved are failures, too.
    if matting.failures:
        print(f"{len(matting.failures)} failed:", file=sys.stderr)
        for path, message in sorted(matting.failures.items()):
            print(f"  {path}: {message}", file=sys.stderr)
    return 1 if matting.failures or done < len(files) - len(passed_over) or not done else 0


if __name__ == "__main__":
    sys.exit(main())
