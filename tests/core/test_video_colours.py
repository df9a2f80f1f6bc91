"""The colours of videos with wide gamuts become sRGB."""

import av
import numpy as np
import pytest
from videos import finish

from infer_p3m_portrait_matting.p3m.files.colors import from_wide, is_wide
from infer_p3m_portrait_matting.p3m.video.reader import VideoReader
from infer_p3m_portrait_matting.p3m.video.writers import open_writer

#: A colour, the primaries in which it is given, and sRGB's values, from CSS Color 4's published conversions.
COLOURS = [
    ((234, 51, 35), 12, (255, 0, 0)),
    ((117, 251, 76), 12, (0, 255, 0)),
    ((0, 0, 245), 12, (0, 0, 255)),
    ((207, 74, 34), 9, (255, 0, 0)),
    ((128, 128, 128), 9, (128, 128, 128)),
    ((255, 255, 255), 12, (255, 255, 255)),
    # More saturated than sRGB can show.
    ((255, 0, 0), 9, (255, 0, 0)),
]


@pytest.mark.parametrize(("given", "primaries", "wanted"), COLOURS)
def test_colours_are_those_of_the_standards(given, primaries, wanted):
    assert is_wide(primaries)
    got = from_wide(np.full((4, 6, 3), given, np.uint8), primaries)
    assert got.shape == (4, 6, 3)
    assert got.dtype == np.uint8
    # The given colours are rounded to 8 bits; next to 0 a level of them is several of sRGB.
    assert np.abs(got.astype(int) - wanted).max() <= 6


def test_the_primaries_of_usual_videos_are_left_alone():
    assert not any(is_wide(primaries) for primaries in (0, 1, 2, 5, 6))


@pytest.mark.parametrize(("given", "primaries", "wanted"), COLOURS[:4])
@pytest.mark.parametrize("curve", [1, 16])
def test_videos_are_converted_but_for_hdr_of_which_a_warning_tells(given, primaries, wanted, curve, tmp_path, caplog):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv444p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = primaries, curve, 1, 1
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), given, np.uint8), "rgb24")
        frame = frame.reformat(format="yuv444p", dst_colorspace=1)
        frame.color_primaries, frame.color_trc = primaries, curve
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mp4") as reader:
        (frame,) = reader.read()
    if curve == 16:
        assert "is an HDR video" in caplog.text
        wanted = given
    assert np.abs(frame.image.mean((0, 1)) - wanted).max() < 8


def test_every_frame_of_prores_says_its_colours(tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        writer = open_writer(tmp_path / "out.mov", reader)
        for frame in reader.read():
            writer.write(frame.image, frame)
        finish(writer)
    with av.open(str(tmp_path / "out.mov")) as container:
        content = bytes(next(packet for packet in container.demux(video=0) if packet.size))
    assert content[4:8] == b"icpf"
    # Primaries, transfer and matrix (SMPTE RDD 36): BT.709.
    assert tuple(content[22:25]) == (1, 1, 1)
