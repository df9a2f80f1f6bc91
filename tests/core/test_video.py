"""Videos: what is written is read back, frame by frame."""

import itertools
import resource
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m.video.clock import Continuing
from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.p3m.video.sequence import SequenceWriter, is_sequence, number_in
from infer_p3m_portrait_matting.p3m.video.sound import Sound
from infer_p3m_portrait_matting.p3m.video.writers import open_writer

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


@pytest.mark.parametrize(("container", "rate"), [("ts", Fraction(24000, 1001)), ("ts", 25), ("mp4", NTSC)])
def test_the_number_of_frames_is_known_before_they_are_read(tmp_path, container, rate):
    make_video(tmp_path / f"in.{container}", count=48, rate=rate)
    with VideoReader(tmp_path / f"in.{container}") as reader:
        assert reader.frame_count == 48


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


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mp4"])
@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(3, 4)])
def test_all_sound_tracks_and_the_shape_of_pixels_are_kept(aspect, suffix, tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt, video.sample_aspect_ratio = 48, 64, "yuv420p", aspect
        tracks = [container.add_stream("aac", rate=48000, layout="stereo") for _ in range(2)]
        for picture in pictures(10, 48, 64):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        for track in tracks:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 38400), np.int16), format="s16", layout="stereo")
            silence.sample_rate = 48000
            container.mux(track.encode(silence))
            container.mux(track.encode(None))
    rewrite(tmp_path / "in.mkv", tmp_path / f"out{suffix}", with_alpha=suffix != ".mp4")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert len(container.streams.audio) == 2
        video = container.streams.video[0]
        shown = video.width * (video.sample_aspect_ratio or 1) / video.height
    assert shown == pytest.approx(64 * aspect / 48, rel=0.01)
    if suffix == ".webm":
        _, (rgba, *_), _ = read_back(tmp_path / "out.webm")
        assert [int(rgba[24, rgba.shape[1] * i // 6, 3]) for i in (1, 3, 5)] == pytest.approx([0, 128, 255], abs=8)


LAYOUTS = [("avi", "mono"), ("mkv", "stereo"), ("mkv", "5.1(side)"), ("mov", "3.0"), ("mov", "4.0"), ("mkv", "4.0")]


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mp4"])
@pytest.mark.parametrize(("container", "layout"), LAYOUTS)
def test_every_channel_of_the_sound_is_kept(container, layout, suffix, tmp_path):
    """AVI and MKV do not say the layout of PCM."""
    source = tmp_path / f"in.{container}"
    with av.open(str(source), "w") as opened:
        video = opened.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sound = opened.add_stream("pcm_s16le", rate=48000, layout=layout)
        for picture in pictures(10, 48, 64):
            opened.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        opened.mux(video.encode(None))
        count = sound.codec_context.layout.nb_channels
        wave = np.sin(np.arange(19200)[:, None] / 20) * 4000 * (1 + np.arange(count))
        heard = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout=layout)
        heard.sample_rate = 48000
        opened.mux(sound.encode(heard))
        opened.mux(sound.encode(None))
    rewrite(source, tmp_path / f"out{suffix}", with_alpha=False)
    ((_, seconds),) = heard_in(tmp_path / f"out{suffix}")
    assert seconds == pytest.approx(0.4, abs=0.05)
    if (suffix, layout) == (".webm", "4.0"):
        return  # Opus has four corners, and no speaker behind
    floats = av.AudioResampler("fltp")
    with av.open(str(tmp_path / f"out{suffix}")) as opened:
        frames = [out.to_ndarray() for frame in opened.decode(audio=0) for out in floats.resample(frame)]
    loudness = np.sort(np.concatenate(frames, 1)[:, 4800:14400].std(1))
    # AAC and Opus leave nothing of this tone in the channel for effects.
    loudness = loudness[loudness > 0.03]
    assert len(loudness) >= count - (layout == "5.1(side)")
    assert loudness[:3] / loudness[0] == pytest.approx([1, 2, 3][:count], rel=0.1)


@pytest.mark.parametrize("codec", ["libopus", "pcm_s16le", "flac"])
def test_a_gap_in_the_sound_is_silence_where_a_container_holds_no_times(codec, tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sound = container.add_stream(codec, rate=48000, layout="stereo")
        for picture in pictures(50, 48, 64):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        wave = np.repeat((np.sin(np.arange(960) / 10) * 9000).astype(np.int16), 2)[None]
        # Half a second of a tone, a second of nothing, and the tone again.
        for i in (*range(25), *range(75, 100)):
            heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
            heard.sample_rate, heard.pts, heard.time_base = 48000, 960 * i, Fraction(1, 48000)
            container.mux(sound.encode(heard))
        container.mux(sound.encode(None))
    rewrite(tmp_path / "in.mkv", tmp_path / "out.mov", with_alpha=True)
    with av.open(str(tmp_path / "out.mov")) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    loud = np.abs(np.concatenate(frames, 1).ravel()[::2].astype(int)) > 1000
    first, second = (loud[48000 * a // 10 : 48000 * b // 10].mean() for a, b in ((0, 5), (15, 20)))
    assert min(first, second) > 0.5
    assert loud[28000:68000].mean() < 0.01


@pytest.mark.parametrize("later", [0, 100])
def test_a_clock_that_starts_again_goes_on(later, tmp_path, caplog):
    """The first part's clock may show any time."""
    for name, start in (("a.ts", later), ("b.ts", 0)):
        make_video(tmp_path / "plain.mp4", count=50, rate=25, sound="aac")
        with av.open(str(tmp_path / "plain.mp4")) as source, av.open(str(tmp_path / name), "w") as target:
            copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    shift = round(start / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    rewrite(tmp_path / "both.ts", tmp_path / "out.mov", with_alpha=True)
    times, _, _ = read_back(tmp_path / "out.mov")
    steps = np.diff([float(time) for time in times])
    assert len(times) == 100
    # The streams of the first part end at slightly different times.
    assert np.delete(steps, 49) == pytest.approx(0.04, abs=0.001)
    assert 0.03 < steps[49] < 0.2
    ((_, seconds),) = heard_in(tmp_path / "out.mov")
    assert seconds == pytest.approx(4, abs=0.2)
    assert "damaged" not in caplog.text


def test_a_sound_track_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, caplog):
    make_video(tmp_path / "in.mp4", sound="aac")
    content = (tmp_path / "in.mp4").read_bytes()
    # As a phone's spatial sound, for which FFmpeg has no decoder.
    assert content.count(b"mp4a") == 1
    (tmp_path / "in.mp4").write_bytes(content.replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    rewrite(tmp_path / "in.mp4", tmp_path / "out.mov", with_alpha=True)
    assert heard_in(tmp_path / "out.mov") == []
    assert len(read_back(tmp_path / "out.mov")[0]) == 12
    assert "1 of its sound tracks cannot be decoded" in caplog.text


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


def with_damage(source, target, which, seed=0):
    """Copy a video with noise in place of some packets of its sound."""
    with av.open(str(source)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams.audio[0])]
    content, rng = source.read_bytes(), np.random.default_rng(seed)
    for number in which:
        assert content.count(packets[number]) == 1
        content = content.replace(packets[number], rng.bytes(len(packets[number])))
    target.write_bytes(content)


def test_damaged_sound_is_left_out_and_the_video_stays_whole(tmp_path, caplog):
    make_video(tmp_path / "in.mkv", count=30, sound="aac")
    rewrite(tmp_path / "in.mkv", tmp_path / "out.webm", with_alpha=True)
    assert not caplog.records
    ((_, whole),) = heard_in(tmp_path / "out.webm")
    with_damage(tmp_path / "in.mkv", tmp_path / "damaged.mkv", (10, 20))
    rewrite(tmp_path / "damaged.mkv", tmp_path / "out.webm", with_alpha=True)
    assert len(read_back(tmp_path / "out.webm")[0]) == 30
    ((name, seconds),) = heard_in(tmp_path / "out.webm")
    assert name == "opus"
    assert 0.9 * whole < seconds <= whole
    (record,) = caplog.records
    assert "damaged.mkv is damaged: 30 frames could be read, 2 pieces of its sound could not" in record.getMessage()


def test_damage_is_counted_once_for_several_writers(tmp_path, caplog):
    make_video(tmp_path / "in.mkv", count=30, sound="aac")
    with_damage(tmp_path / "in.mkv", tmp_path / "damaged.mkv", (10,))
    with VideoReader(tmp_path / "damaged.mkv") as reader:
        pieces = [piece for piece in reader.read() if isinstance(piece, Sound) and (piece.frames, piece.frames)]
    assert len(pieces) > 40
    assert "1 pieces of its sound" in caplog.text


def test_sound_that_changes_its_rate_and_channels_is_kept(tmp_path):
    make_video(tmp_path / "in.mkv", count=30, sound="aac")
    with VideoReader(tmp_path / "in.mkv") as reader:
        writer = open_writer(tmp_path / "out.webm", reader)
        other = av.AudioResampler("s16", "mono", 24000)
        for number, piece in enumerate(reader.read()):
            if isinstance(piece, Frame):
                writer.write(piece.image, piece)
                continue
            if number > 40:
                piece.frames = [new for frame in piece.frames for new in other.resample(frame)]
            writer.write_sound(piece)
        writer.finish()
    ((_, seconds),) = heard_in(tmp_path / "out.webm")
    assert abs(seconds - heard_in(tmp_path / "in.mkv")[0][1]) < 0.05


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
    assert f"cut.mkv is damaged: {count} of about 60 frames" in caplog.text


def test_the_times_of_long_frames_are_kept(tmp_path):
    """MKV gives its first frames no times of decoding; those of display go back and forth."""
    make_video(tmp_path / "in.mkv", count=20, rate=Fraction(1, 4))
    with VideoReader(tmp_path / "in.mkv") as reader:
        assert [piece.time for piece in reader.read()] == [4 * i for i in range(20)]


def test_one_wrong_time_does_not_shift_what_follows():
    class Packet:
        def __init__(self, time):
            self.pts = self.dts = time
            self.duration, self.time_base, self.stream = 40, Fraction(1, 1000), SimpleNamespace(index=0)

    times = [*range(0, 4000, 40), 1000, *range(4040, 6000, 40), *range(0, 2000, 40)]
    packets, go_on = [Packet(time) for time in times], Continuing()
    for packet in packets:
        go_on(packet)
    joined = [packet.dts for packet in packets]
    assert joined[:100] == times[:100]
    assert joined[101:150] == times[101:150]
    assert np.diff(joined[149:]).tolist() == [40] * 50


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
