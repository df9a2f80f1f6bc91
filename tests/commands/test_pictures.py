"""tools/pictures.py: the pictures of README and docs are made by one command, and are small."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from tools import pictures

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_pictures_of_the_documentation_are_small():
    made = sorted(DOCS.glob("*.jpg"))
    assert [path.stem for path in made] == ["adjusted", "guided", "hair", "page", "results", "sheet"]
    assert all(path.stat().st_size <= 400 * 1024 for path in DOCS.iterdir() if path.suffix in {".jpg", ".png"})


@pytest.mark.slow
def test_one_command_draws_them_from_any_photo(tmp_path, monkeypatch, astronaut):
    Image.fromarray(astronaut[:400]).save(tmp_path / "photo.png")
    arguments = ["--photo", str(tmp_path / "photo.png"), "--hair", "100", "0", "350", "150"]
    monkeypatch.setattr(sys, "argv", ["pictures", *arguments, "--output", str(tmp_path / "out")])
    pictures.main()
    # page.jpg shows the page, in a browser; sheet.jpg is drawn from other photos.
    for path in set(DOCS.glob("*.jpg")) - {DOCS / "page.jpg", DOCS / "sheet.jpg"}:
        with Image.open(tmp_path / "out" / path.name) as drawn, Image.open(path) as shown:
            assert drawn.size[0] == shown.size[0]
