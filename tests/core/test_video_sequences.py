"""Sequences of pictures: complete, or not there."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from videos import make_video, rewrite

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


def test_the_first_file_moves_last(tmp_path):
    writer, frame = SequenceWriter(tmp_path / "%d.png"), Frame(np.zeros((4, 4, 3), np.uint8), 0, 1, Fraction(1, 25))
    for _ in range(3):
        writer.write(frame.image, frame)
    assert [path.name for path in writer.complete()] == ["3.png", "2.png", "1.png"]
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_patterns_of_sequences():
    assert number_in(Path("a/%05d.png"), 7) == Path("a/00007.png")
    assert number_in(Path("a/f_%d.png"), 12) == Path("a/f_12.png")
    assert is_sequence(Path("%5d.PNG"))
    assert not is_sequence(Path("100%.png"))
    assert not is_sequence(Path("%05d.mov"))
