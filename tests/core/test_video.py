"""Videos: what is written is read back, frame by frame."""

import itertools
import resource
import struct
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from videos import NTSC, UNEVEN, make_video, pictures, read_back, rewrite, write_all

from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.p3m.video.writers import open_writer


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
@pytest.mark.parametrize("size", [(48, 64), (47, 65)])
def test_alpha_times_and_size_come_back(tmp_path, suffix, size):
    times = make_video(tmp_path / "in.mp4", size=size)
    written = rewrite(tmp_path / "in.mp4", tmp_path / f"out{suffix}", with_alpha=True)
    got, rgba, (rate, form) = read_back(tmp_path / f"out{suffix}")
    assert rate == NTSC
    assert form == {".mov": "yuva444p12le", ".webm": "yuva420p"}[suffix]
    # WebM counts milliseconds; MOV is exact.
    assert max(abs(a - b) for a, b in zip(got, times, strict=True)) <= (Fraction(1, 2000) if suffix == ".webm" else 0)
    for a, b in zip(rgba, written, strict=True):
        assert a.shape == (*size, 4)
        third = size[1] // 3
        assert a[:, : third - 3, 3].max() == 0
        assert np.abs(a[:, third + 3 : 2 * third - 3, 3].astype(int) - 128).max() <= 3
        assert a[:, 2 * third + 3 :, 3].min() == 255
        assert np.abs(a[..., :3].astype(int) - b[..., :3]).mean() < (2 if suffix == ".mov" else 4)


@pytest.mark.parametrize("size", [(48, 64), (337, 601)])
def test_noise_of_every_colour_comes_back_from_prores(tmp_path, size):
    """The largest frames there are: the encoder has no limit on their bytes to keep to."""
    make_video(tmp_path / "in.mp4", size=size)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 4), dtype=np.uint8)
    with VideoReader(tmp_path / "in.mp4") as reader:
        frames = [replace(frame, image=noise) for frame in reader.read()]
        write_all(open_writer(tmp_path / "out.mov", reader), frames)
    _, rgba, _ = read_back(tmp_path / "out.mov")
    assert len(rgba) == len(frames)
    for got in rgba:
        assert np.abs(got.astype(int) - noise).mean() < 1
        assert np.abs(got.astype(int) - noise)[..., 3].max() <= 1


@pytest.mark.parametrize("size", [(48, 64), (47, 65)])
def test_a_composite_keeps_times_and_size_in_mp4(tmp_path, size):
    times = make_video(tmp_path / "in.mp4", size=size)
    written = rewrite(tmp_path / "in.mp4", tmp_path / "out.mp4", with_alpha=False)
    got, rgba, (rate, _) = read_back(tmp_path / "out.mp4")
    assert (got, rate) == (times, NTSC)
    for a, b in zip(rgba, written, strict=True):
        assert a.shape == (*size, 4)
        assert np.abs(a[..., :3].astype(int) - b).mean() < 3


def test_an_interlaced_video_is_said_to_be(tmp_path, caplog):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"})
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        for picture in pictures(4, 48, 64):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        assert sum(isinstance(piece, Frame) for piece in reader.read()) == 4
    assert caplog.text.count("in.mkv is interlaced") == 1


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_are_turned_upright(tmp_path, rotation):
    make_video(tmp_path / "in.mp4", rotation=rotation)
    with VideoReader(tmp_path / "in.mp4") as reader:
        frames = [piece.image for piece in reader.read()]
    expected = list(pictures(12, 48, 64))
    for got, want in zip(frames, expected, strict=True):
        # As OpenCV and players turn it: by so many degrees against the clock.
        want = np.rot90(want, rotation // 90)
        assert got.shape == want.shape
        assert np.abs(got.astype(int) - want).mean() < 5


#: What x and y of a pixel become, as a display matrix says it, and the same in numpy.
MIRRORED = {
    "left and right": ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
    "top and bottom": ((1, 0, 0, -1), lambda picture: picture[::-1]),
    "both": ((-1, 0, 0, -1), lambda picture: picture[::-1, ::-1]),
    "at the falling diagonal": ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    "at the rising diagonal": ((0, -1, -1, 0), lambda picture: picture.swapaxes(0, 1)[::-1, ::-1]),
    "by a quarter, clockwise": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
}


@pytest.mark.parametrize("kind", MIRRORED)
def test_mirrored_frames_are_shown_as_the_matrix_says(kind, tmp_path):
    (a, b, c, d), mirror = MIRRORED[kind]
    make_video(tmp_path / "in.mp4")
    content = bytearray((tmp_path / "in.mp4").read_bytes())
    # The matrix of the track's header (ISO 14496-12, 8.3.2): 16.16, and 2.30 in its last column.
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", *(v << 16 for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    (tmp_path / "in.mp4").write_bytes(content)
    with VideoReader(tmp_path / "in.mp4") as reader:
        frames = [piece.image for piece in reader.read()]
    for got, want in zip(frames, pictures(12, 48, 64), strict=True):
        assert got.shape == mirror(want).shape
        assert np.abs(got.astype(int) - mirror(want)).mean() < 5


def test_colours_of_a_tagged_video_are_read_by_its_tags(tmp_path):
    """The same picture under both matrices: read by its tag, each is what it was."""
    picture = next(pictures(1, 48, 64))
    for tag in (1, 5):
        path = tmp_path / f"{tag}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv444p"
            stream.codec_context.colorspace, stream.codec_context.color_range = tag, 1
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p", dst_colorspace=tag)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with VideoReader(path) as reader:
            (frame,) = reader.read()
        assert np.abs(frame.image.astype(int) - picture).mean() < 1.5, tag


def test_nothing_lies_under_the_name_before_the_end(tmp_path):
    make_video(tmp_path / "in.mp4", sound="aac")
    (tmp_path / "out.mov").write_bytes(b"older")
    with VideoReader(tmp_path / "in.mp4") as reader:
        writer = open_writer(tmp_path / "out.mov", reader)
        for piece in itertools.islice((p for p in reader.read() if isinstance(p, Frame)), 3):
            writer.write(piece.image, piece)
        assert (tmp_path / "out.mov").read_bytes() == b"older"
        writer.abandon()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mov"]


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    make_video(tmp_path / "in.mp4", count=60)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with VideoReader(tmp_path / "in.mp4") as reader:
        writer = open_writer(tmp_path / "out.mov", reader)
        frames = list(reader.read())
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
        try:
            with pytest.raises(OSError, match=r"/out\.mov'"):
                write_all(writer, frames)
        finally:
            writer.abandon()
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_neither_others_files_nor_links_are_taken_for_the_unfinished_one(tmp_path):
    make_video(tmp_path / "in.mp4", count=2)
    (tmp_path / "notes").write_bytes(b"another's")
    (tmp_path / "out.mov.part").symlink_to(tmp_path / "notes")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / ".05d.png.part").mkdir()
    (tmp_path / "frames" / ".05d.png.part" / "mine").write_bytes(b"another's")
    for target in ("out.mov", "frames/%05d.png"):
        rewrite(tmp_path / "in.mp4", tmp_path / target, with_alpha=True)
    assert (tmp_path / "notes").read_bytes() == b"another's"
    assert (tmp_path / "out.mov.part").is_symlink()
    assert (tmp_path / "frames" / ".05d.png.part" / "mine").exists()


def test_what_is_no_video_is_named(tmp_path, caplog):
    with pytest.raises(FileNotFoundError):
        VideoReader(tmp_path / "missing.mp4")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"a\.mp4 cannot be read as a video"):
        VideoReader(tmp_path / "a.mp4")
    make_video(tmp_path / "whole.mkv", count=60)
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    with VideoReader(tmp_path / "cut.mkv") as reader:
        count = sum(isinstance(piece, Frame) for piece in reader.read())
    assert 0 < count < 60
    assert f"cut.mkv is damaged: {count} of about 60 frames" in caplog.text


def test_a_whole_video_with_other_tracks_is_not_called_damaged(tmp_path, caplog):
    """Of two lengths, one of which is not read."""
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for stream, count in zip(streams, (10, 100), strict=True):
            for picture in itertools.islice(pictures(40, 48, 64), 10):
                for _ in range(count // 10):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        assert sum(isinstance(piece, Frame) for piece in reader.read()) == 10
    (record,) = caplog.records
    assert "in.mkv has 2 video tracks: number 1 (64 x 48) is taken" in record.getMessage()


@pytest.mark.parametrize(("defaults", "taken"), [((0, 0, 0), 1), ((1, 1, 1), 1), ((0, 0, 1), 2), ((1, 0, 1), 2)])
def test_of_several_video_tracks_the_default_or_the_largest_is_taken(defaults, taken, tmp_path, caplog):
    sizes = [(32, 48), (96, 128), (48, 64)]
    with av.open(str(tmp_path / "in.mkv"), "w", options={"default_mode": "passthrough"}) as container:
        streams = [container.add_stream("mjpeg", rate=25) for _ in sizes]
        for stream, size, default in zip(streams, sizes, defaults, strict=True):
            stream.height, stream.width, stream.pix_fmt, stream.disposition = *size, "yuvj420p", default
        for stream, size in zip(streams, sizes, strict=True):
            for picture in pictures(3, *size):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        assert {frame.image.shape[:2] for frame in reader.read()} == {sizes[taken]}
    assert f"in.mkv has 3 video tracks: number {taken + 1} (" in caplog.text


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path, caplog):
    for name, size in (("a.ts", (48, 64)), ("b.ts", (96, 128))):
        make_video(tmp_path / name, size=size, count=10)
    joined = (tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes()
    (tmp_path / "in.ts").write_bytes(joined)
    with VideoReader(tmp_path / "in.ts") as reader:
        frames = list(reader.read())
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 20
    # The gradient is the same at both sizes, but for the square in it.
    difference = np.abs(frames[0].image[30:].astype(int) - frames[10].image[30:])
    assert difference.mean() < 5
    assert caplog.text.count("from frame 11 on they are scaled to 64 x 48") == 1


def test_a_whole_video_whose_length_is_estimated_is_not_called_damaged(tmp_path, caplog):
    """Without its last frames, or with pictures shorter than its sound; a program stream states no length."""
    make_video(tmp_path / "whole.mpg", count=60, rate=25, sound="mp2")
    content = (tmp_path / "whole.mpg").read_bytes()
    (tmp_path / "odd.mpg").write_bytes(content[: len(content) * 9 // 10])
    make_video(tmp_path / "short.mpg", count=50, rate=25, sound="mp2", heard_for=3)
    for name in ("whole.mpg", "odd.mpg", "short.mpg"):
        with VideoReader(tmp_path / name) as reader:
            assert sum(isinstance(piece, Frame) for piece in reader.read()) >= 40
    assert caplog.records == []


@pytest.mark.parametrize("container", ["avi", "mov"])
def test_a_video_that_lost_its_end_is_called_damaged(container, tmp_path, caplog):
    flags = {"movflags": "+faststart"} if container == "mov" else {}
    with av.open(str(tmp_path / f"in.{container}"), "w", options=flags) as opened:
        stream = opened.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for _ in range(4):
            for picture in pictures(40, 48, 64):
                opened.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        opened.mux(stream.encode(None))
    content = (tmp_path / f"in.{container}").read_bytes()
    (tmp_path / f"cut.{container}").write_bytes(content[: len(content) * 6 // 10])
    with VideoReader(tmp_path / f"cut.{container}") as reader:
        count = sum(isinstance(piece, Frame) for piece in reader.read())
    assert 50 < count < 120
    assert f"cut.{container} is damaged: {count} of 160 frames" in caplog.text


@pytest.mark.parametrize("times", [None, UNEVEN])
@pytest.mark.parametrize("name", ["in.mkv", "in.webm", "in.ts", "in.mov"])
def test_a_whole_video_is_not_called_damaged(name, times, tmp_path, caplog):
    codec, sound = ("libvpx-vp9", "libopus") if name == "in.webm" else ("libx264", "aac")
    make_video(tmp_path / name, times=times, sound=sound, codec=codec)
    with VideoReader(tmp_path / name) as reader:
        assert sum(isinstance(piece, Frame) for piece in reader.read()) == 12
    assert caplog.records == []


def test_a_format_without_alpha_refuses_it(tmp_path):
    make_video(tmp_path / "in.mp4")
    with pytest.raises(ValueError, match=r"holds no alpha: choose \.mov or \.webm"):
        rewrite(tmp_path / "in.mp4", tmp_path / "out.mp4", with_alpha=True)
    with VideoReader(tmp_path / "in.mp4") as reader, pytest.raises(ValueError, match="can be written as"):
        open_writer(tmp_path / "out.avi", reader)
