"""tools/pictures.py: the pictures of README and docs are made by one command, and are small."""

import sys
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tools import pictures

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_pictures_of_the_documentation_are_small():
    made = sorted(DOCS.glob("*.jpg"))
    assert [path.stem for path in made] == ["adjusted", "guided", "hair", "page", "results", "sheet"]
    assert all(path.stat().st_size <= 400 * 1024 for path in DOCS.iterdir() if path.suffix in {".jpg", ".png"})


def test_the_example_photo_is_small_and_names_its_author_and_licence():
    assert pictures.PHOTO.stat().st_size <= 250 * 1024
    with Image.open(pictures.PHOTO) as photo:
        assert max(photo.size) <= 1200
        left, top, right, bottom = pictures.HAIR
        assert 0 <= left < right <= photo.width
        assert 0 <= top < bottom <= photo.height
        tags = photo.getexif()
    author, licence = tags[ExifTags.Base.Artist], tags[ExifTags.Base.Copyright].partition(",")[0]
    shown = ("README.md", "docs/adjusting.md", "docs/ikomia.md", "infer_p3m_portrait_matting/README.md")
    for path in ("examples/portrait.md", *shown, "examples/quickstart.ipynb"):
        text = " ".join((ROOT / path).read_text().split())
        assert author in text, path
        assert licence in text, path


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
