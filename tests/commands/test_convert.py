"""Photos become files, and what is to be said about each."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from command_line import SETTINGS, names, read
from PIL import Image

from infer_p3m_portrait_matting.commands import convert as module
from infer_p3m_portrait_matting.commands.convert import convert, convert_photos
from infer_p3m_portrait_matting.commands.destinations import Item
from infer_p3m_portrait_matting.p3m import Guide
from infer_p3m_portrait_matting.p3m.video.reader import VideoReader
from infer_p3m_portrait_matting.p3m.video.sequence import SequenceWriter
from infer_p3m_portrait_matting.pipeline.pictures import Result
from infer_p3m_portrait_matting.pipeline.pipeline import Prepared


def test_two_threads_keep_what_the_core_says_apart(pipeline, photo, tmp_path, monkeypatch):
    """Both files have a colour profile that cannot be used, which the core logs while both are being read."""
    both, decode = threading.Barrier(2, timeout=60), module.decode

    def decode_together(*arguments):
        both.wait()
        image = decode(*arguments)
        both.wait()
        return image

    monkeypatch.setattr(module, "decode", decode_together)
    items = []
    for name in ("left", "right"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png", icc_profile=b"no profile")
        items.append(Item(tmp_path / f"{name}.png", {"matte": tmp_path / f"{name}_matte.png"}))
    with ThreadPoolExecutor(2) as threads:
        for item, report in zip(items, threads.map(lambda item: convert(item, pipeline), items), strict=True):
            assert report.error == ""
            (warning,) = report.warnings
            assert str(item.source) in warning
            assert "colour profile cannot be used" in warning


def test_an_error_without_words_is_an_error(pipeline, source, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr(module, "decode", fail)
    item = Item(source, {"matte": source.with_name("matte.png")})
    assert convert(item, pipeline).error == "ValueError"
    assert [(made, report.error) for made, report in convert_photos([item], pipeline)] == [(item, "ValueError")]


#: Number of frames in the test's video.
FRAMES = 12


@pytest.fixture
def film(tmp_path):
    """A video whose frames are grey, each lighter than the one before, and where its pictures go."""
    av = pytest.importorskip("av")
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "bgr0"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Item(path, {"cutout": tmp_path / "out" / "%02d.png"}, is_video=True)


class Copies:
    """Stands for a pipeline whose pictures are the frames themselves; it notes what was asked of it."""

    settings = SETTINGS

    def __init__(self):
        self.matted = 0

    def prepare(self, image, name, *, video, guide):
        return Prepared(image, name, None, video, [], None, (), Guide())

    def matte(self, photo):
        self.matted += 1
        return np.ones(photo.image.shape[:2], np.float32)

    def make(self, photo, alpha, *, following, wanted):
        return Result(photo.image, photo.image[..., 0], photo.image, (f"made {photo.name}",))


def test_few_frames_wait_between_the_stages_of_a_video_and_all_keep_their_order(film, monkeypatch):
    pipeline, was_read, written, most, done = Copies(), [], [], [0, 0], []
    decode, write = VideoReader.read, SequenceWriter.write

    def count_read(reader):
        for piece in decode(reader):
            was_read.append(1)
            yield piece

    def write_slowly(writer, picture, frame):
        time.sleep(0.02)
        most[0] = max(most[0], len(was_read) - pipeline.matted)
        most[1] = max(most[1], pipeline.matted - len(written))
        write(writer, picture, frame)
        written.append(int(picture[0, 0, 0]))

    monkeypatch.setattr(VideoReader, "read", count_read)
    monkeypatch.setattr(SequenceWriter, "write", write_slowly)
    report = convert(film, pipeline, lambda *progress: done.append(progress))
    assert (report.error, report.has_person) == ("", True)
    assert report.warnings == [f"made frame {number} of {film.source}" for number in range(1, FRAMES + 1)]
    assert [count for count, _ in done] == list(range(FRAMES + 1))
    assert written == [10 * number for number in range(FRAMES)]
    folder = film.targets["cutout"].parent
    assert [read(folder / name)[0, 0, 0] for name in names(folder)] == written
    # Writing is the slowest stage: frames wait for it, but no more than a few.
    assert 2 <= most[1] <= 4
    assert most[0] <= 4


@pytest.mark.parametrize("stage", ["reading", "matting", "making", "writing", "completing"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_in_any_stage_of_a_video_ends_it_and_leaves_no_file(film, stage, error, monkeypatch):
    pipeline, threads = Copies(), threading.active_count()
    owner, name = {
        "reading": (VideoReader, "_rgb"),
        "matting": (Copies, "matte"),
        "making": (Copies, "make"),
        "writing": (SequenceWriter, "write"),
        "completing": (SequenceWriter, "complete"),
    }[stage]
    calls, method = [], getattr(owner, name)

    def fail(*arguments, **named):
        calls.append(1)
        if len(calls) == 5 or stage == "completing":
            raise error
        return method(*arguments, **named)

    monkeypatch.setattr(owner, name, fail)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            convert(film, pipeline)
    else:
        assert "No space left on device" in convert(film, pipeline).error
    assert len(calls) < FRAMES
    assert threading.active_count() == threads
    assert list(film.targets["cutout"].parent.iterdir()) == []


def test_the_report_on_a_video_has_what_the_core_logs_in_all_stages(film, monkeypatch):
    core = logging.getLogger("infer_p3m_portrait_matting.p3m")

    def talkative(method):
        def say(*arguments):
            core.warning("said in %s", method.__name__)
            return method(*arguments)

        return say

    for owner, name in ((VideoReader, "_rgb"), (Copies, "matte"), (SequenceWriter, "write")):
        monkeypatch.setattr(owner, name, talkative(getattr(owner, name)))
    warnings = convert(film, Copies()).warnings
    for name in ("_rgb", "matte", "write"):
        assert warnings.count(f"said in {name}") == FRAMES
