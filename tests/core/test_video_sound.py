"""The sound of videos: every track and channel is kept, and what is damaged is left out."""

from fractions import Fraction

import av
import numpy as np
import pytest
from videos import finish, heard_in, make_video, pictures, read_back, rewrite, with_damage

from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.p3m.video.sound import Sound
from infer_p3m_portrait_matting.p3m.video.writers import open_writer


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


@pytest.mark.parametrize(
    ("container", "codec", "layout"),
    [
        ("avi", "pcm_s16le", "mono"),
        ("mkv", "pcm_s16le", "5.1"),
        ("avi", "pcm_mulaw", "stereo"),
        ("asf", "wmav2", "mono"),
    ],
)
def test_several_writers_take_sound_whose_layout_is_not_named(container, codec, layout, tmp_path):
    source = tmp_path / f"in.{container}"
    with av.open(str(source), "w") as opened:
        video = opened.add_stream("mpeg4", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sound = opened.add_stream(codec, rate=44100, layout=layout)
        sound.codec_context.bit_rate = 64000
        for picture in pictures(20, 48, 64):
            opened.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        opened.mux(video.encode(None))
        wave = np.sin(np.arange(35280) / 20) * 4000
        wave = wave.astype(np.int16).repeat(sound.codec_context.layout.nb_channels)[None]
        heard = av.AudioFrame.from_ndarray(wave, format="s16", layout=layout)
        heard.sample_rate = 44100
        opened.mux(sound.encode(heard))
        opened.mux(sound.encode(None))
    names = ["out.mov", "out.mp4", "out.webm", "again.mov"]
    with VideoReader(source) as reader:
        writers = [open_writer(tmp_path / name, reader) for name in names]
        for piece in reader.read():
            for writer in writers:
                if isinstance(piece, Sound):
                    writer.write_sound(piece)
                else:
                    writer.write(piece.image, piece)
        for writer in writers:
            finish(writer)
    for name in names:
        ((_, seconds),) = heard_in(tmp_path / name)
        assert seconds == pytest.approx(0.8, abs=0.1), name


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mp4"])
def test_sound_tracks_keep_their_language_title_and_default_flag(suffix, tmp_path):
    with av.open(str(tmp_path / "in.mkv"), "w", options={"default_mode": "passthrough"}) as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        tracks = [container.add_stream("aac", rate=48000, layout="stereo") for _ in range(2)]
        for track, language, title in zip(tracks, ("deu", "fra"), ("", "Commentaire"), strict=True):
            track.metadata["language"] = language
            if title:
                track.metadata["title"] = title
            track.disposition = int(language == "fra")
        for picture in pictures(10, 48, 64):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        for track in tracks:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 38400), np.int16), format="s16", layout="stereo")
            silence.sample_rate = 48000
            container.mux(track.encode(silence))
            container.mux(track.encode(None))
    rewrite(tmp_path / "in.mkv", tmp_path / f"out{suffix}", with_alpha=False)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        german, french = container.streams.audio
        # QuickTime has its own names.
        assert german.language == ("ger" if suffix == ".mov" else "deu")
        assert french.language == "fra"
        assert french.metadata.get("title", french.metadata.get("name")) == "Commentaire"
        assert not german.metadata.get("title", german.metadata.get("name"))
        assert [bool(track.disposition & type(track.disposition).default) for track in (german, french)] == [
            False,
            True,
        ]


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
        finish(writer)
    ((_, seconds),) = heard_in(tmp_path / "out.webm")
    assert abs(seconds - heard_in(tmp_path / "in.mkv")[0][1]) < 0.05


# Rates that neither AAC nor FFmpeg's MP4 takes: old cameras' AVI, old QuickTime, old FLV.
@pytest.mark.parametrize(
    ("made", "container", "rate", "suffix", "expected"),
    [
        ("pcm_s16le", "avi", 11024, ".mp4", "aac"),
        ("pcm_s16le", "mov", 22254, ".mp4", "aac"),
        ("libmp3lame", "mkv", 11025, ".mp4", "aac"),
        ("libmp3lame", "mkv", 11025, ".mov", "mp3float"),
        ("libmp3lame", "mkv", 44100, ".mp4", "mp3float"),
    ],
)
def test_sound_of_any_rate_is_kept(made, container, rate, suffix, expected, tmp_path):
    source = tmp_path / f"in.{container}"
    make_video(source, count=30, sound=made, heard_at=rate, codec="mpeg4")
    rewrite(source, tmp_path / f"out{suffix}", with_alpha=suffix != ".mp4")
    ((name, seconds),) = heard_in(tmp_path / f"out{suffix}")
    assert name == expected
    assert abs(seconds - heard_in(source)[0][1]) < 0.15
