"""Videos: what is written is read back, frame by frame."""

import itertools
import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.video.reader import Frame, Sound, VideoReader
from infer_p3m_portrait_matting.p3m.video.writers import is_sequence, number_in, open_writer

NTSC = Fraction(30000, 1001)
#: Times in milliseconds as a phone makes them.
UNEVEN = [0, 31, 66, 101, 133, 200, 201, 290, 334, 400, 470, 999]


def pictures(count, height, width):
    """A blue square that moves over a red and green gradient."""
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        picture = np.dstack([x * 200 // width + 20, y * 200 // height + 20, np.full_like(x, 60)]).astype(np.uint8)
        picture[height // 4 : height // 2, 4 + i : 4 + i + width // 4] = 40, 60, 220
        yield picture


def make_video(path, count=12, size=(48, 64), rate=NTSC, times=None, sound=None, rotation=0, codec="libx264"):
    """Write a video; returns the times of its frames in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "4"} if codec == "libx264" else {})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p" if not (size[0] % 2 or size[1] % 2) else "yuv444p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=48000, layout="stereo") if sound else None
        for i, picture in enumerate(pictures(count, *size)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            t = np.arange(int(48000 * count / rate))
            wave = np.repeat((np.sin(t / 20) * 8000).astype(np.int16), 2)[None]
            heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
            heard.sample_rate = 48000
            container.mux(audio.encode(heard))
            container.mux(audio.encode(None))
    return [Fraction(t, 1000) for t in times] if times else [i / rate for i in range(count)]


def alpha_of(height, width):
    """A third transparent, a third half, a third opaque."""
    return np.repeat(np.array([0, 128, 255], np.uint8), [width // 3, width // 3, width - 2 * (width // 3)])[
        None
    ].repeat(height, 0)


def rewrite(source, target, with_alpha):
    """Write a video with alpha or without; returns the pictures."""
    written = []
    with VideoReader(source) as reader:
        writer = open_writer(target, reader)
        for piece in reader.read():
            if isinstance(piece, Sound):
                writer.write_sound(piece)
                continue
            picture = piece.image
            if with_alpha:
                picture = np.dstack([picture, alpha_of(*picture.shape[:2])])
            written.append(picture)
            writer.write(picture, piece)
        writer.finish()
    return written


def read_back(path):
    """Times, RGBA pictures and the video stream's facts, by FFmpeg's decoder for each format."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if decoder.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [f for packet in container.demux(stream) for f in decoder.decode(packet if packet.size else None)]
        times = [frame.pts * stream.time_base for frame in frames]
        rgba = [
            av.video.reformatter.VideoReformatter()
            .reformat(frame, format="rgba", src_colorspace=1, src_color_range=1, dst_color_range=2)
            .to_ndarray()
            for frame in frames
        ]
        facts = stream.average_rate, frames[0].format.name
    return times, rgba, facts


def heard_in(path):
    """Name and seconds of each audio stream."""
    found = []
    with av.open(str(path)) as container:
        for stream in container.streams.audio:
            container.seek(0)
            frames = list(container.decode(stream))
            found.append((stream.codec_context.name, sum(f.samples for f in frames) / frames[0].sample_rate))
    return found


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


@pytest.mark.parametrize("size", [(48, 64), (47, 65)])
def test_a_composite_keeps_times_and_size_in_mp4(tmp_path, size):
    times = make_video(tmp_path / "in.mp4", size=size)
    written = rewrite(tmp_path / "in.mp4", tmp_path / "out.mp4", with_alpha=False)
    got, rgba, (rate, _) = read_back(tmp_path / "out.mp4")
    assert (got, rate) == (times, NTSC)
    for a, b in zip(rgba, written, strict=True):
        assert a.shape == (*size, 4)
        assert np.abs(a[..., :3].astype(int) - b).mean() < 3


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mp4"])
def test_variable_times_are_kept(tmp_path, suffix):
    times = make_video(tmp_path / "in.mkv", times=UNEVEN)
    rewrite(tmp_path / "in.mkv", tmp_path / f"out{suffix}", with_alpha=suffix != ".mp4")
    assert read_back(tmp_path / f"out{suffix}")[0] == times


@pytest.mark.slow
@pytest.mark.parametrize("rate", [NTSC, Fraction(24000, 1001), Fraction(60000, 1001), Fraction(25)])
@pytest.mark.parametrize("container", ["mkv", "ts", "mov", "avi"])
def test_the_exact_rate_outlives_a_container_that_rounds_times(tmp_path, rate, container):
    times = make_video(tmp_path / f"in.{container}", count=40, rate=rate)
    with VideoReader(tmp_path / f"in.{container}") as reader:
        assert reader.rate == rate
    for name in ("out.mov", "out.mp4"):
        rewrite(tmp_path / f"in.{container}", tmp_path / name, with_alpha=False)
        got, _, (found, _) = read_back(tmp_path / name)
        assert found == rate
        assert [time - got[0] for time in got] == times


@pytest.mark.parametrize(
    ("made", "container", "suffix", "expected"),
    [
        ("aac", "mp4", ".mov", "aac"),
        ("aac", "mp4", ".mp4", "aac"),
        ("aac", "mp4", ".webm", "opus"),
        ("libopus", "mkv", ".webm", "opus"),
        ("libopus", "mkv", ".mp4", "opus"),
        ("libopus", "mkv", ".mov", "pcm_s16le"),
        ("pcm_s16le", "mov", ".mp4", "aac"),
    ],
)
def test_sound_is_kept(tmp_path, made, container, suffix, expected):
    source = tmp_path / f"in.{container}"
    make_video(source, count=30, sound=made)
    rewrite(source, tmp_path / f"out{suffix}", with_alpha=suffix != ".mp4")
    ((name, seconds),) = heard_in(tmp_path / f"out{suffix}")
    assert name == expected
    assert abs(seconds - heard_in(source)[0][1]) < 0.05
    assert seconds > 0.95


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
    import cv2

    for i, picture in enumerate(written, 1):
        got = cv2.imread(str(number_in(target, i)), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(cv2.cvtColor(got, cv2.COLOR_BGRA2RGBA), picture)
    # A shorter one leaves nothing of the longer one behind.
    make_video(tmp_path / "short.mp4", count=4)
    rewrite(tmp_path / "short.mp4", target, with_alpha=True)
    assert len(list(target.parent.iterdir())) == 4


def test_patterns_of_sequences():
    assert number_in(Path("a/%05d.png"), 7) == Path("a/00007.png")
    assert number_in(Path("a/f_%d.png"), 12) == Path("a/f_12.png")
    assert is_sequence(Path("%5d.PNG"))
    assert not is_sequence(Path("100%.png"))
    assert not is_sequence(Path("%05d.mov"))


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


def write_all(writer, frames):
    for frame in frames:
        writer.write(frame.image, frame)
    writer.finish()


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    make_video(tmp_path / "in.mp4", count=60)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with VideoReader(tmp_path / "in.mp4") as reader:
        writer = open_writer(tmp_path / "out.mov", reader)
        frames = list(reader.read())
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
        try:
            with pytest.raises(OSError, match=r"out\.mov\.part"):
                write_all(writer, frames)
        finally:
            writer.abandon()
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


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


def test_a_format_without_alpha_refuses_it(tmp_path):
    make_video(tmp_path / "in.mp4")
    with pytest.raises(ValueError, match=r"holds no alpha: choose \.mov or \.webm"):
        rewrite(tmp_path / "in.mp4", tmp_path / "out.mp4", with_alpha=True)
    with VideoReader(tmp_path / "in.mp4") as reader, pytest.raises(ValueError, match="can be written as"):
        open_writer(tmp_path / "out.avi", reader)
