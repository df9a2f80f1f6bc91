"""Image files in a folder, and files that are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infer_p3m_portrait_matting.p3m.files.read import is_image_file, list_images
from infer_p3m_portrait_matting.p3m.files.write import Unfinished, remove_abandoned, write_new, write_whole

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def test_the_images_of_a_folder_are_its_files_by_name(tmp_path):
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "sub.jpg" / "d.png").write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["a.JPG", "b.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not is_image_file(tmp_path / "pipe")


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
@pytest.mark.parametrize("is_folder", [False, True])
def test_what_a_kill_has_left_is_removed_and_what_is_being_written_stays(is_folder, tmp_path):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from infer_p3m_portrait_matting.p3m.files.write import Unfinished\n"
        f"unfinished = Unfinished(Path(sys.argv[1]), {is_folder})\n"
        f"({is_folder} and unfinished.path / '1.png' or unfinished.path).write_bytes(b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "out.png")], env=ENVIRONMENT, timeout=60)
    (left,) = tmp_path.iterdir()
    others = {".p3m-notes.tmp", "out.png.part", ".0123456789abcdef.tmp"}
    for name in others:
        (tmp_path / name).write_bytes(b"another's")
    mine = Unfinished(tmp_path / "out.png", is_folder)
    remove_abandoned(tmp_path)
    assert not left.exists()
    assert {path.name for path in tmp_path.iterdir()} == {mine.path.name, *others}
    mine.remove()
    assert {path.name for path in tmp_path.iterdir()} == others


def test_errors_name_the_file_and_not_the_unfinished_one(tmp_path):
    for write in (write_new, write_whole):
        with pytest.raises(FileNotFoundError) as raised:
            write(tmp_path / "none" / "out.png", b"content")
        assert ".tmp" not in str(raised.value)
        assert raised.value.filename == str(tmp_path / "none" / "out.png")
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OSError, match=r"out\.png") as raised:
        write_whole(tmp_path / "out.png", b"content")
    assert ".tmp" not in str(raised.value)
