"""The times of videos: exact rates, variable times, clocks that start again."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from videos import NTSC, UNEVEN, heard_in, make_video, pictures, read_back, rewrite

from infer_p3m_portrait_matting.p3m.video.clock import Continuing
from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader


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


def test_the_rate_of_dv_is_no_unit_of_time(tmp_path):
    with av.open(str(tmp_path / "in.dv"), "w") as container:
        video = container.add_stream("dvvideo", rate=25)
        video.height, video.width, video.pix_fmt = 576, 720, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for picture in pictures(10, 576, 720):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 3840), np.int16), format="s16", layout="stereo")
            heard.sample_rate = 48000
            container.mux(sound.encode(heard))
    with VideoReader(tmp_path / "in.dv") as reader:
        assert (reader.rate, reader.frame_count) == (25, 10)
        times = [piece.time for piece in reader.read() if isinstance(piece, Frame)]
    assert times == [Fraction(i, 25) for i in range(10)]


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
