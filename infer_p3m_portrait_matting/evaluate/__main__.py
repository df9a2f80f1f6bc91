"""Measure a model on photos with true mattes.

python -m infer_p3m_portrait_matting.evaluate --data P3M-10k/validation/P3M-500-P --model resnet34 --output p3m
python -m infer_p3m_portrait_matting.evaluate --photos DIR --mattes DIR --model mobile --output own

The command writes mattes/NAME.png, scores.csv (one row per photo), settings.json, measured.jsonl and worst.png to the
--output folder. After an interruption, the same command continues where it was. It measures replaced photos again.
"""

import argparse
import csv
import hashlib
import io
import json
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..p3m import METHODS, PRECISIONS, PortraitMatting, list_models, score, to_uint8
from ..p3m.errors import printable
from ..p3m.files.encode import encode_png
from ..p3m.files.read import read_grey
from ..p3m.files.write import write_whole
from ..p3m.metrics import Scores
from .contact_sheet import contact_sheet
from .dataset import Pair, check_output, p3m_10k, two_folders

FIELDS = ("name", *Scores._fields)

#: Characters at the start of a cell that spreadsheets take for a formula. An apostrophe before them makes plain text.
_FORMULA = ("=", "+", "-", "@")


class Run:
    """The output folder of one evaluation, with its scores and its settings.

    ``measured.jsonl`` holds the scores, a line per photo. ``scores.csv`` shows them to people.

    Args:
        folder: created if needed.
        settings: everything that the scores depend on, as values that JSON can hold.
        pairs: the photos and mattes to measure. Scores of other files, or of files that were replaced, are dropped.

    Raises:
        ValueError: the folder has the results of other settings, or results would replace files of ``pairs``.
    """

    def __init__(self, folder: Path, settings: dict[str, object], pairs: list[Pair]) -> None:
        self.folder, self.table, self._log = folder, folder / "scores.csv", folder / "measured.jsonl"
        read = {path.parent for pair in pairs for path in (pair.photo, pair.matte, pair.trimap) if path is not None}
        for output in (folder, folder / "mattes"):
            check_output(output, read)
        (folder / "mattes").mkdir(parents=True, exist_ok=True)
        note = folder / "settings.json"
        has_results = self._log.exists() and self._log.stat().st_size > 0
        before = _settings_in(note)
        if has_results and before != settings:
            other = ", ".join(_different(before, settings))
            raise ValueError(
                f"{folder} holds results of other settings ({other}; see {note.name}): choose another --output"
            )
        write_whole(note, json.dumps(settings, indent=1).encode())
        self._files = {pair.name: _files(pair) for pair in pairs}
        self.scores = self._read()
        text = io.StringIO(newline="")
        csv.writer(text).writerows([FIELDS, *(_row(*item) for item in self.scores.items())])
        write_whole(self.table, text.getvalue().encode())
        write_whole(self._log, "".join(self._line(*item) for item in self.scores.items()).encode())

    def add(self, name: str, matte: np.ndarray, scores: Scores) -> None:
        """Keep one photo's matte (uint8 [H, W]) and figures.

        Raises:
            ValueError: a figure is not finite.
        """
        if not np.isfinite(scores).all():
            raise ValueError(f"{name}: its figures are not finite: {scores}")
        write_whole(self.matte(name), encode_png(matte))
        self.scores[name] = scores
        with self._log.open("a", encoding="utf-8") as file:
            file.write(self._line(name, scores))
        with self.table.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(_row(name, scores))

    def matte(self, name: str) -> Path:
        """Return the path of a photo's predicted matte."""
        return self.folder / "mattes" / f"{name}.png"

    def mean(self) -> Scores:
        """Compute the mean of each metric over all photos."""
        return Scores(*np.mean(list(self.scores.values()), axis=0).tolist())

    def _line(self, name: str, scores: Scores) -> str:
        return json.dumps({"name": name, "files": self._files[name], "scores": scores._asdict()}) + "\n"

    def _read(self) -> dict[str, Scores]:
        scores = {}
        for line in self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []:
            # An interruption may have cut off the last line; its photo is then measured again.
            with suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                name, values = entry["name"], Scores(**entry["scores"])
                same = entry["files"] == self._files.get(name)
                if same and np.isfinite(values).all() and self.matte(name).exists():
                    scores[name] = values
        return scores


def _settings_in(note: Path) -> dict[str, object]:
    if not note.exists():
        return {}
    with suppress(ValueError):
        before = json.loads(note.read_text(encoding="utf-8", errors="replace"))
        if isinstance(before, dict):
            return before
    raise ValueError(f"{note} holds no settings of an evaluation: delete it, or choose another --output")


def _different(before: dict[str, object], now: dict[str, object]) -> list[str]:
    """Name the settings that differ; a setting that only one side has differs."""
    return [name for name in {**before, **now} if name not in before or name not in now or before[name] != now[name]]


def _files(pair: Pair) -> list[list[int]]:
    """Return what distinguishes a pair's files from later files of the same names."""
    stats = [path.stat() for path in (pair.photo, pair.matte, pair.trimap) if path is not None]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def _row(name: str, scores: Scores) -> tuple[str, ...]:
    # Every row is one line of UTF-8, and no name is a formula.
    cell = printable(name)
    return (f"'{cell}" if cell.startswith(_FORMULA) else cell, *(f"{value:.7g}" for value in scores))


def evaluate(session: PortraitMatting, pairs: list[Pair], run: Run, method: str, input_size: int) -> list[str]:
    """Measure every pair that has no scores yet, with a progress bar on stderr.

    The scores are those of the saved matte, in 8 bits. A photo that cannot be read does not stop the others.

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
        try:
            run.add(pair.name, matte, score(matte.astype(np.float32) / 255, true, trimap))
        except (OSError, ValueError) as error:
            failures.append(f"{pair.photo}: {error}")
    return failures


def worst(pairs: list[Pair], run: Run, count: int) -> np.ndarray:
    """Draw the contact sheet of the photos with the highest SAD."""
    measured = [pair for pair in pairs if pair.name in run.scores]
    measured.sort(key=lambda pair: run.scores[pair.name].sad, reverse=True)
    rows = []
    for pair in measured[:count]:
        photo, true, _ = pair.read()
        predicted = read_grey(run.matte(pair.name))
        rows.append((f"{printable(pair.name)}: SAD {run.scores[pair.name].sad:.2f}", photo, to_uint8(true), predicted))
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
    made.add_argument(
        "--precision", default="auto", choices=PRECISIONS, help="number format of the network (default auto)"
    )
    made.add_argument(
        "--output", type=Path, default=Path("evaluation"), help="folder for the results of one run (default evaluation)"
    )
    made.add_argument("--worst", type=int, default=12, help="number of cases in worst.png")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status, which is 1 if a photo could not be measured."""
    options = parser()
    args = options.parse_args(arguments)
    if args.photos and not args.mattes:
        options.error("--photos needs --mattes")
    if args.data and (args.mattes or args.trimaps or args.suffix):
        options.error("--mattes, --trimaps and --suffix go with --photos: --data finds its own mattes and trimaps")
    try:
        pairs = p3m_10k(args.data) if args.data else two_folders(args.photos, args.mattes, args.trimaps, args.suffix)
        session = PortraitMatting(args.model, args.device, args.weights, precision=args.precision)
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
            "precision": session.precision,
            "device": str(session.device).partition(":")[0],
        }
        run = Run(args.output, settings, pairs)
        failures = evaluate(session, pairs, run, args.method, args.input_size)
    except (OSError, ValueError, RuntimeError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 1
    if run.scores:
        sheet = worst(pairs, run, args.worst)
        write_whole(args.output / "worst.png", encode_png(sheet))
        what = f"{args.model}, {args.method} at {args.input_size} in {session.precision}"
        print(f"{what}, mean of {len(run.scores)} photos:\n{table(run.mean())}")
    for failure in failures:
        print(printable(f"not measured: {failure}"), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
