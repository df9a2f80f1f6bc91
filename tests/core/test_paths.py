"""Paths as people write them."""

from pathlib import Path

import pytest

from infer_p3m_portrait_matting.p3m.errors import shown
from infer_p3m_portrait_matting.p3m.files.paths import trouble_with, user_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/a/b", "/a/b"),
        (' "/a b/c" ', "/a b/c"),
        ("'/a'", "/a"),
        ("file:///a%20b/c", "/a b/c"),
        ("file://localhost/a", "/a"),
        ("~/x", "{home}/x"),
        ("it's", "it's"),
    ],
)
def test_paths_are_read_as_they_are_pasted(text, path):
    assert user_path(text) == Path(path.format(home=Path.home()))


def test_what_lies_there_is_said(tmp_path):
    assert trouble_with(tmp_path) == "is a folder, not a file"
    assert trouble_with(tmp_path / "none") == "does not exist"
    (tmp_path / "some").write_text("")
    assert trouble_with(tmp_path / "some") == ""
    assert trouble_with(tmp_path / "some" / "below") == "does not exist"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "no possible path" in trouble_with(tmp_path / "loop")


def test_long_values_are_cut_in_messages():
    assert shown("a" * 200) == "a" * 200
    assert len(shown("a" * 10**6)) < 200
    assert "1000000 characters" in shown("a" * 10**6)
