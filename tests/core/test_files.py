"""Image files in a folder, and files that are written whole or not at all."""

import os

import pytest

from infer_p3m_portrait_matting.p3m.files.read import list_images
from infer_p3m_portrait_matting.p3m.files.write import write_new, write_whole


def test_the_images_of_a_folder_are_its_files_by_name(tmp_path):
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "sub.jpg" / "d.png").write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["a.JPG", "b.png"]


def fail(*_):
    raise OSError("no")


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_whole_and_no_second_one_takes_its_name(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", fail)
    write_new(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]


def test_a_new_file_that_fails_leaves_nothing_on_a_disk_without_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_new(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", b"first")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_whole(tmp_path / "a", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]
