"""Measure a model on photos with true mattes.

python -m infer_p3m_portrait_matting.evaluate --data P3M-10k/validation/P3M-500-P --model resnet34
python -m infer_p3m_portrait_matting.evaluate --photos DIR --mattes DIR --model mobile

It writes mattes/NAME.png, scores.csv (one row per photo), settings.json and worst.png to the --output folder. After an
interruption, the same command continues where it was.
"""

import argparse
import csv
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..p3m import METHODS, PortraitMatting, Scores, list_models, score, to_uint8
from ..p3m.atomic_write import write_whole
from ..p3m.imaging.files import read_grey
from ..p3m.imaging.png import encode_png
from .contact_sheet import contact_sheet
from .dataset import Pair, p3m_10k, two_folders

FIELDS = ("name", *Scores._fields)


class Run:
    """The output folder of one evaluation: what has been measured, and with which settings.

    Args:
        folder: created if needed.
        settings: everything that the scores depend on; must be JSON.

    Raises:
        ValueError: the folder has the results of other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.folder, self.table = folder, folder / "scores.csv"
        (folder / "mattes").mkdir(parents=True, exist_ok=True)
        note = folder / "settings.json"
        if not note.exists():
            write_whole(note, json.dumps(settings, indent=1).encode())
        elif json.loads(note.read_text()) != settings:
            raise ValueError(f"{folder} holds results of other settings (see {note.name}): choose another --output")
        self.scores = self._read()

    def add(self, name: str, matte: np.ndarray, scores: Scores) -> None:
        """Store one photo's matte (uint8 [H, W]) and scores."""
        write_whole(self.matte(name), encode_png(matte))
        self.scores[name] = scores
        with self.table.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow((name, *(f"{value:.7g}" for value in scores)))

    def matte(self, name: str) -> Path:
        """Return the path of a photo's predicted matte."""
        return self.folder / "mattes" / f"{name}.png"

    def mean(self) -> Scores:
        """Compute the mean of each metric over all photos."""
        return Scores(*np.mean(list(self.scores.values()), axis=0).tolist())

    def _read(self) -> dict[str, Scores]:
        rows = list(csv.reader(self.table.read_text(encoding="utf-8").splitlines())) if self.table.exists() else []
        # An interruption may have cut off the last row; then that photo is measured again.
        whole = [row for row in rows[1:] if len(row) == len(FIELDS) and self.matte(row[0]).exists()]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([FIELDS, *whole])
        write_whole(self.table, text.getvalue().encode())
        return {name: Scores(*map(float, values)) for name, *values in whole}


def evaluate(session: PortraitMatting, pairs: list[Pair], run: Run, method: str, input_size: int) -> list[str]:
    """Measure every pair that has no scores yet, with a progress bar on stderr.

    The scores are those of the matte as it is saved, in 8 bits. A photo that cannot be read does not stop the others.

    Returns:
        One message for each photo that could not be measured.
    """
    failures = []
    todo = [pair for pair in pairs if pair.name not in run.scores]
    for pair in tqdm(todo, initial=len(pairs) - len(todo), total=len(pairs), unit="photo"):
        try:
            photo, true, trimap = pair.read()
        except (OSError, ValueError) as error:
            failures.append(str(error))
            continue
        matte = to_uint8(session.matte(photo, method, input_size))
        run.add(pair.name, matte, score(matte.astype(np.float32) / 255, true, trimap))
    return failures


def worst(pairs: list[Pair], run: Run, count: int) -> np.ndarray:
    """Draw the contact sheet of the photos with the highest SAD."""
    measured = [pair for pair in pairs if pair.name in run.scores]
    measured.sort(key=lambda pair: run.scores[pair.name].sad, reverse=True)
    rows = []
    for pair in measured[:count]:
        photo, true, _ = pair.read()
        predicted = read_grey(run.matte(pair.name))
        rows.append((f"{pair.name}: SAD {run.scores[pair.name].sad:.2f}", photo, to_uint8(true), predicted))
    return contact_sheet(rows)


def table(mean: Scores) -> str:
    """Format the means as a Markdown table; MSE and MAD are multiplied by 1000."""
    values = {
        name.upper().replace("_", "-") + (" x 1000" if name.startswith(("mse", "mad")) else ""): value
        * (1000 if name.startswith(("mse", "mad")) else 1)
        for name, value in mean._asdict().items()
    }
    lines = (values, ["---"] * len(values), [f"{value:.2f}" for value in values.values()])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parser() -> argparse.ArgumentParser:
    """Define the options of the command."""
    made = argparse.ArgumentParser(
        prog="python -m infer_p3m_portrait_matting.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data", type=Path, help="a test set of P3M-10k: blurred_image/ or original_image/, mask/, trimap/"
    )
    source.add_argument("--photos", type=Path, help="folder of photos, with --mattes")
    made.add_argument("--mattes", type=Path, help="folder of true mattes NAME.png")
    made.add_argument("--trimaps", type=Path, help="folder of trimaps NAME.png (default: drawn from the mattes, 21 px)")
    made.add_argument("--suffix", default="", help="text after NAME in the file names of --mattes and --trimaps")
    made.add_argument("--model", default="resnet34", choices=list_models())
    made.add_argument("--weights", type=Path, help="weights file (default: the published or bundled one)")
    made.add_argument("--method", default="HYBRID", choices=METHODS)
    made.add_argument("--input-size", type=int, default=1024, help="in pixels (default 1024)")
    made.add_argument("--device", default="cpu", help="cpu or cuda")
    made.add_argument("--output", type=Path, default=Path("evaluation"), help="folder for the results")
    made.add_argument("--worst", type=int, default=12, help="number of cases in worst.png")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status, which is 1 if a photo could not be measured."""
    options = parser()
    args = options.parse_args(arguments)
    if args.photos and not args.mattes:
        options.error("--photos needs --mattes")
    try:
        pairs = p3m_10k(args.data) if args.data else two_folders(args.photos, args.mattes, args.trimaps, args.suffix)
        session = PortraitMatting(args.model, args.device, args.weights)
        first = pairs[0]
        settings = {
            "photos": str((args.data or args.photos).resolve()),
            "mattes": str(first.matte.parent.resolve()) if first.matte else "alpha",
            "suffix": args.suffix,
            "trimaps": str(first.trimap.parent.resolve()) if first.trimap else "drawn",
            "model": args.model,
            "weights": hashlib.sha256(session.weights.read_bytes()).hexdigest(),
            "method": args.method,
            "input_size": args.input_size,
        }
        run = Run(args.output, settings)
        failures = evaluate(session, pairs, run, args.method, args.input_size)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if run.scores:
        sheet = worst(pairs, run, args.worst)
        write_whole(args.output / "worst.png", encode_png(sheet))
        print(
            f"{args.model}, {args.method} at {args.input_size}, mean of {len(run.scores)} photos:\n{table(run.mean())}"
        )
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
