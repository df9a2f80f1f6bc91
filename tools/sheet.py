"""Draw docs/sheet.jpg: photos of people beside their cut-outs by the bundled model, failures included.

``python -m tools.sheet FOLDER`` takes the photos that docs/sheet.json names from FOLDER, and writes docs/sheet.jpg and
docs/sheet.md. Run it after the weights change, look at each cut-out, and correct what docs/sheet.json says is wrong.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from infer_p3m_portrait_matting.p3m import PortraitMatting, composite, estimate_foreground, load_photo

from .pictures import COLOR, FRAME, GAP, INK, MARGIN, PAPER, ROOT

LIST = ROOT / "docs" / "sheet.json"
WIDTH, COLUMNS = 1600, 3
#: Height that a photo may have on the sheet, and the two sizes of text, in pixels.
HEIGHT, TITLE, NOTE = 300, 20, 16
LINES = 3
WRONG = "#b3261e"
#: Every entry has these. ``wrong`` is empty where the cut-out is right.
FACTS = ("file", "title", "wrong", "origin", "author", "license", "stated")

_ABOUT = """\
# Photos of people, and what the bundled model makes of them

![Photos beside their cut-outs](sheet.jpg)

{count} photos from sources outside the training data, matted by `mobile` with default parameters. {failures} cut-outs
are wrong. The others lack nothing but the finest hairs, and keep nothing of the background.

`python -m tools.sheet FOLDER` draws the sheet and writes this text from [sheet.json](sheet.json). FOLDER holds the
photos under the names of that list; they are not part of this repository.

The sheet is under [CC BY-SA 3.0](https://creativecommons.org/licenses/by-sa/3.0/), as some of its photos are. Each
photo alone is under its own licence. All are reduced, and the cut-outs are made by the model.

| photo | cut-out | origin | author | licence |
| --- | --- | --- | --- | --- |"""


def read_list(path: Path) -> list[dict[str, str]]:
    """Return the entries of a list of photos.

    Raises:
        ValueError: an entry lacks a fact, or has one that is no text.
    """
    entries: list[dict[str, str]] = json.loads(path.read_text())
    for entry in entries:
        lacking = [fact for fact in FACTS if not isinstance(entry.get(fact), str)]
        if lacking:
            raise ValueError(f"{path}: {entry.get('file', 'an entry')} lacks {', '.join(lacking)}")
    return entries


def wrapped(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a text into lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def draw(entries: list[dict[str, str]], pairs: list[tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    """Lay out each photo beside its cut-out, and below them what is wrong.

    Args:
        entries: of the list, one for each pair.
        pairs: photo and cut-out on a colour, both uint8 [H, W, 3] RGB.
    """
    cell = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
    side = (cell - GAP // 2) // 2
    title, note = ImageFont.load_default(TITLE), ImageFont.load_default(NOTE)
    sizes = []
    for photo, _ in pairs:
        height, width = photo.shape[:2]
        scale = min(side / width, HEIGHT / height)
        sizes.append((round(width * scale), round(height * scale)))
    rows = [range(first, min(first + COLUMNS, len(pairs))) for first in range(0, len(pairs), COLUMNS)]
    text = TITLE + LINES * (NOTE + 5) + GAP
    heights = [max(sizes[index][1] for index in row) for row in rows]
    drawn = Image.new("RGB", (WIDTH, 2 * MARGIN + sum(heights) + len(rows) * (text + GAP) - GAP), PAPER)
    pen = ImageDraw.Draw(drawn)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, index in enumerate(row):
            left = MARGIN + column * (cell + GAP)
            for number, pixels in enumerate(pairs[index]):
                place = left + number * (sizes[index][0] + GAP // 2), top
                drawn.paste(Image.fromarray(pixels).resize(sizes[index], Image.Resampling.LANCZOS), place)
                pen.rectangle((*place, place[0] + sizes[index][0] - 1, top + sizes[index][1] - 1), outline=FRAME)
            below = top + height + GAP // 2
            pen.text((left, below), f"{index + 1}  {entries[index]['title']}", INK, title)
            wrong = entries[index]["wrong"]
            for line, words in enumerate(wrapped(f"Wrong: {wrong}", note, cell) if wrong else ["Right."]):
                pen.text((left, below + TITLE + 6 + line * (NOTE + 5)), words, WRONG if wrong else INK, note)
        top += height + text + GAP
    return drawn


def describe(entries: list[dict[str, str]]) -> str:
    """Return docs/sheet.md: what is wrong with each cut-out, and where its photo is from."""
    failures = sum(bool(entry["wrong"]) for entry in entries)
    lines = [_ABOUT.format(count=len(entries), failures=failures)]
    for number, entry in enumerate(entries, 1):
        facts = f"{entry['origin']} | {entry['author']} | {entry['license']}; {entry['stated']}"
        lines.append(f"| {number} {entry['title']} | {entry['wrong'] or 'right'} | {facts} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the photos")
    parser.add_argument("--list", type=Path, default=LIST, help="what the photos are (default: docs/sheet.json)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder for sheet.jpg and sheet.md")
    args = parser.parse_args()
    try:
        entries = read_list(args.list)
        photos = [load_photo(args.folder / entry["file"]) for entry in entries]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    net = PortraitMatting("mobile")
    pairs = []
    for photo in photos:
        alpha = net.matte(photo)
        pairs.append((photo, composite(estimate_foreground(photo, alpha), alpha, COLOR)))
    args.output.mkdir(parents=True, exist_ok=True)
    draw(entries, pairs).save(args.output / "sheet.jpg", quality=82, optimize=True)
    (args.output / "sheet.md").write_text(describe(entries))


if __name__ == "__main__":
    main()
