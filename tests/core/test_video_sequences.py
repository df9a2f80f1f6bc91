"""Sequences of pictures: complete, or not there."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from videos import make_video, rewrite, write_all

from infer_p3m_portrait_matting.p3m.video.numbered import is_sequence, number_in
from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.p3m.video.sequence import SequenceWriter
from infer_p3m_portrait_matting.p3m.video.writers import open_writer


def test_a_sequence_is_complete_or_not_there(tmp_path):
    make_video(tmp_path / "in.mp4")
    target = tmp_path / "frames" / "%03d.png"
    target.parent.mkdir()
    with VideoReader(tmp_path / "in.mp4") as reader:
        writer = open_writer(target, reader)
        frame = next(reader.read())
        writer.write(frame.image, frame)
        assert list(target.parent.glob("*.png")) == []
        writer.abandon()
    assert list(target.parent.iterdir()) == []
    written = rewrite(tmp_path / "in.mp4", target, with_alpha=True)
    assert sorted(path.name for path in target.parent.iterdir()) == [f"{i:03}.png" for i in range(1, 13)]

    for i, picture in enumerate(written, 1):
        got = cv2.imread(str(number_in(target, i)), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(cv2.cvtColor(got, cv2.COLOR_BGRA2RGBA), picture)
    # A shorter one leaves nothing of the longer one behind.
    make_video(tmp_path / "short.mp4", count=4)
    rewrite(tmp_path / "short.mp4", target, with_alpha=True)
    assert len(list(target.parent.iterdir())) == 4


def test_a_sequence_leaves_nothing_of_an_interrupted_one_and_keeps_other_files(tmp_path):
    target = tmp_path / "%05d.png"
    # As if the move into place had stopped before 00002 and 00001.
    for number in (3, 4, 5, 7, 123456):
        number_in(target, number).write_bytes(b"older")
    others = {"00000.png", "6.png", "00006.PNG", "00006.png.bak", "a00006.png", "notes.txt"}
    for name in others:
        (tmp_path / name).write_bytes(b"another")
    (tmp_path / "00008.png").mkdir()
    writer, frame = SequenceWriter(target), Frame(np.zeros((4, 4, 3), np.uint8), 0, 1, Fraction(1, 25))
    write_all(writer, [frame, frame])
    assert {path.name for path in tmp_path.iterdir()} == {"00001.png", "00002.png", "00008.png", *others}
    assert all((tmp_path / name).read_bytes() == b"another" for name in others)


def test_an_interrupted_replacement_never_has_a_first_file(tmp_path, monkeypatch):
    target, frame = tmp_path / "%d.png", Frame(np.zeros((4, 4, 3), np.uint8), 0, 1, Fraction(1, 25))
    for number in (1, 2, 11):
        number_in(target, number).write_bytes(b"older")
    writer = SequenceWriter(target)

    def stop(source, destination):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_all(writer, [frame])
    assert not (tmp_path / "1.png").exists()


def test_patterns_of_sequences():
    assert number_in(Path("a/%05d.png"), 7) == Path("a/00007.png")
    assert number_in(Path("a/f_%d.png"), 12) == Path("a/f_12.png")
    assert is_sequence(Path("%5d.PNG"))
    assert not is_sequence(Path("100%.png"))
    assert not is_sequence(Path("%05d.mov"))
