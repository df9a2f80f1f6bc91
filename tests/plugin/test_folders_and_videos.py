"""Folders and videos through the real Ikomia."""

import logging
from itertools import pairwise

import cv2
import numpy as np
import pytest
from ikomia_plugin import workflow_with

from infer_p3m_portrait_matting.p3m import PortraitMatting, TemporalFilter, to_uint8

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[:192, 96:352].copy()


def test_a_folder_keeps_results_apart_and_names_what_failed(photo, tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    pictures = {"a.png": photo, "a.jpg": photo[:, ::-1], "sub/a.png": photo[:96]}
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / name), picture[..., ::-1])
    (folder / "broken.jpg").write_bytes(b"no picture")
    wf, task = workflow_with(input_size=128)
    wf.output_folder = str(tmp_path / "out")
    wf.run_on(folder=str(folder))
    assert list(task.failures) == [str(folder / "broken.jpg")]
    assert "could not be read as an image" in task.failures[str(folder / "broken.jpg")]
    mattes = sorted((tmp_path / "out").rglob("*_matte.png"))
    assert len(mattes) == 3
    assert {path.name for path in mattes} >= {"a_matte.png"}
    assert all(path.name.startswith("a") for path in mattes)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9
    model = PortraitMatting("mobile", "cpu")
    expected = [
        to_uint8(model.matte(cv2.imread(str(folder / name))[..., ::-1], "HYBRID", 128)).tobytes() for name in pictures
    ]
    assert sorted(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).tobytes() for path in mattes) == sorted(expected)


def test_a_failure_is_forgotten_when_the_file_works(photo, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"")
    wf, task = workflow_with(input_size=128)
    with pytest.raises(RuntimeError, match=r"photo\.png"):
        wf.run_on(path=str(path))
    assert list(task.failures) == [str(path)]
    cv2.imwrite(str(path), photo)
    wf.run_on(path=str(path))
    assert task.failures == {}


@pytest.fixture(scope="module")
def video(photo, tmp_path_factory):
    """Six frames of a still, noisy picture."""
    path = tmp_path_factory.mktemp("video") / "still.avi"
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, photo.shape[1::-1])
    for _ in range(6):
        noisy = np.clip(photo + rng.normal(0, 5, photo.shape), 0, 255).astype(np.uint8)
        writer.write(np.ascontiguousarray(noisy[..., ::-1]))
    writer.release()
    return path


def frames_of(path):
    reader = cv2.VideoCapture(str(path))
    frames = []
    while (frame := reader.read())[0]:
        frames.append(np.ascontiguousarray(frame[1][..., ::-1]))
    return frames


def run_video(video, monkeypatch, times=1, **parameters) -> list[np.ndarray]:
    """The matte of every frame, as the task gave them out."""
    wf, task = workflow_with(input_size=128, **parameters)
    mattes, finish = [], type(task).end_task_run

    def end_task_run(self):
        mattes.append(self.get_output(1).get_image().copy())
        finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(type(task), "end_task_run", end_task_run)
        for _ in range(times):
            wf.run_on(path=str(video))
    return mattes


def test_a_video_is_matted_frame_by_frame(video, monkeypatch):
    mattes = run_video(video, monkeypatch)
    model = PortraitMatting("mobile", "cpu")
    expected = [to_uint8(model.matte(frame, "HYBRID", 128)) for frame in frames_of(video)]
    assert len(mattes) == 6
    for got, want in zip(mattes, expected, strict=True):
        assert np.abs(got.astype(int) - want).max() <= 1


def flicker(mattes) -> float:
    return float(np.mean([np.abs(b.astype(float) - a).mean() for a, b in pairwise(mattes)]))


def test_temporal_steadies_a_video_and_starts_anew_with_each(video, monkeypatch):
    model, steady = PortraitMatting("mobile", "cpu"), TemporalFilter()
    expected = [to_uint8(steady(frame, model.matte(frame, "HYBRID", 128))) for frame in frames_of(video)]
    mattes = run_video(video, monkeypatch, times=2, temporal=True)
    assert len(mattes) == 12
    for got, want in zip(mattes, expected * 2, strict=True):
        assert np.abs(got.astype(int) - want).max() <= 1
    assert flicker(mattes[:6]) < 0.6 * flicker(run_video(video, monkeypatch))


def test_a_frame_without_a_face_is_named(tmp_path, caplog):
    path = tmp_path / "nobody.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    for grey in (60, 120):
        writer.write(np.full((64, 96, 3), grey, np.uint8))
    writer.release()
    wf, _ = workflow_with(input_size=64, anonymize="blur")
    with caplog.at_level(logging.WARNING):
        wf.run_on(path=str(path))
    found = [r.message for r in caplog.records if "no face was found" in r.message]
    assert [f"frame {i} of {path}" in message for i, message in enumerate(found, 1)] == [True, True]


def test_photos_are_not_steadied(photo, tmp_path):
    wf, task = workflow_with(input_size=128, temporal=True)
    wf.run_on(array=photo)
    wf.run_on(array=photo[:, ::-1].copy())
    want = to_uint8(PortraitMatting("mobile", "cpu").matte(photo[:, ::-1], "HYBRID", 128))
    np.testing.assert_array_equal(task.get_output(1).get_image(), want)


def test_the_files_of_a_video_and_their_order(video, tmp_path):
    wf, task = workflow_with(input_size=128)
    wf.output_folder = str(tmp_path)
    wf.set_auto_save(True)
    wf.run_on(path=str(video))
    assert [task.get_output(index).name for index in range(3)] == ["composite", "matte", "cutout"]
    assert "black" in task.get_output(2).description
    files = {path.name: path for path in tmp_path.rglob("*.mp4")}
    assert sorted(files) == ["still_1.mp4", "still_2.mp4", "still_3.mp4"]
    model = PortraitMatting("mobile", "cpu")
    written = [frames_of(files[f"still_{number}.mp4"]) for number in (1, 2, 3)]
    assert [len(frames) for frames in written] == [6, 6, 6]
    for frame, composite, matte, cutout in zip(frames_of(video), *written, strict=True):
        alpha = model.matte(frame, "HYBRID", 128)
        sure, outside = alpha > 0.99, alpha < 0.01
        assert sure.any()
        assert composite[outside].mean() > 250
        assert np.abs(matte[..., 0] - 255 * alpha).mean() < 6
        # On black: nothing of the person's colours smears into what is transparent.
        assert cutout[outside].mean() < 3
        assert np.abs(cutout[sure].astype(int) - frame[sure]).mean() < 12


def test_a_transparent_composite_of_a_video_is_on_black(video):
    wf, task = workflow_with(input_size=128, background="transparent")
    wf.run_on(path=str(video))
    composite = task.get_output(0).get_image()
    assert composite.shape[2] == 3
    np.testing.assert_array_equal(composite, task.get_output(2).get_image())
