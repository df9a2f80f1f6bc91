"""tools/sheet.py: photos beside their cut-outs, with what is wrong, where they are from and their licences."""

import json
import sys

import pytest
from PIL import Image, ImageFont

from tools import sheet

DOCS = sheet.ROOT / "docs"


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw a sheet of the photos in ``tmp_path``."""

    def draw(entries):
        (tmp_path / "list.json").write_text(json.dumps(entries))
        arguments = [str(tmp_path), "--list", str(tmp_path / "list.json"), "--output", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["sheet", *arguments])
        sheet.main()

    return draw


def test_the_text_of_the_documentation_is_that_of_the_list():
    entries = sheet.read_list(sheet.LIST)
    assert (DOCS / "sheet.md").read_text() == sheet.describe(entries)
    assert len(entries) == 12
    assert sum(bool(entry["wrong"]) for entry in entries) >= 4
    assert all(entry[fact] for entry in entries for fact in sheet.FACTS if fact != "wrong")


def test_no_line_of_a_note_is_lost():
    font = ImageFont.load_default(sheet.NOTE)
    cell = (sheet.WIDTH - 2 * sheet.MARGIN - (sheet.COLUMNS - 1) * sheet.GAP) // sheet.COLUMNS
    for entry in sheet.read_list(sheet.LIST):
        lines = sheet.wrapped(f"Wrong: {entry['wrong']}", font, cell)
        assert " ".join(lines) == f"Wrong: {entry['wrong']}".strip()
        assert len(lines) <= sheet.LINES
        assert all(font.getlength(line) <= cell for line in lines)


def test_a_missing_photo_or_fact_is_named(draw, capsys):
    entry = dict.fromkeys(sheet.FACTS, "x") | {"file": "gone.jpg"}
    for entries, message in (([entry], "gone.jpg"), ([{"file": "a.jpg"}], "a.jpg lacks title, wrong, origin")):
        with pytest.raises(SystemExit) as end:
            draw(entries)
        assert end.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_sheet_of_two_photos_has_one_row(draw, tmp_path, astronaut):
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    Image.fromarray(astronaut[:256]).save(tmp_path / "b.png")
    facts = dict.fromkeys(sheet.FACTS, "x")
    draw([facts | {"file": "a.png", "wrong": ""}, facts | {"file": "b.png", "wrong": "the lower half is missing."}])
    with Image.open(tmp_path / "out" / "sheet.jpg") as drawn:
        assert drawn.width == sheet.WIDTH
        assert sheet.HEIGHT / 2 < drawn.height < 2 * sheet.HEIGHT
    text = (tmp_path / "out" / "sheet.md").read_text()
    assert "| 1 x | right |" in text
    assert "| 2 x | the lower half is missing. |" in text
