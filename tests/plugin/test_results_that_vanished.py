"""Results that were lost once, in the real Ikomia: names with dots, failures of saving, inputs left from before."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from ikomia_plugin import ROOT, core, dataprocess, workflow_with

from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.plugin.outputs import FileNames, LosslessImageIO, Results


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[:128, 120:300].copy()


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.ascontiguousarray(picture)))
    return path


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def three(*stems):
    return sorted(f"{stem}_{name}.png" for stem in stems for name in ("composite", "matte", "cutout"))


def test_names_with_dots_keep_their_results_apart(photo, tmp_path):
    files = ("2024-01-05 12.30.11.png", "2024-01-05 12.30.12.png", ".hidden.png", ".hidden.too.png")
    for shift, name in enumerate(files):
        write(tmp_path / "in" / name, photo[: 100 + 4 * shift])
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out")
    wf.run_on(folder=str(tmp_path / "in"))
    assert task.failures == {}
    assert names(tmp_path / "out") == three("2024-01-05 12.30.11", "2024-01-05 12.30.12", "hidden", "hidden.too")
    for shift, stem in enumerate(("2024-01-05 12.30.11", "2024-01-05 12.30.12", "hidden", "hidden.too")):
        (path,) = (tmp_path / "out").rglob(f"{stem}_matte.png")
        assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), -1).shape[0] == 100 + 4 * shift


def test_arrays_keep_their_results_apart(photo, tmp_path):
    wf, _ = workflow_with(input_size=64)
    wf.set_auto_save(True)
    wf.output_folder = str(tmp_path / "out")
    for height in (90, 100, 110):
        wf.run_on(array=photo[:height].copy())
    mattes = list((tmp_path / "out").rglob("*_matte.png"))
    assert sorted(cv2.imread(str(path), -1).shape[0] for path in mattes) == [90, 100, 110]


def test_two_tasks_in_one_folder_of_results_overwrite_nothing(photo, tmp_path):
    # As two processes do that start within one second: Ikomia's folder is named after the second.
    def output(source):
        made = LosslessImageIO(core.IODataType.IMAGE, "matte", "", Results(), "task")
        made.source = made.owner = source
        made.set_image(photo)
        return made

    one, two = output("/in/a.png"), output("/elsewhere/a.png")
    for made in (one, two, one):
        made.save(str(tmp_path / "taska.png"))
    assert names(tmp_path) == ["a_matte.png", "a_png_matte.png"]


def test_a_name_that_is_too_long_is_cut_off():
    file_names = FileNames()
    stems = {file_names.stem(Path("/out"), "ä" * 126 + letter, f"/in/{letter}.png") for letter in "abc"}
    assert len(stems) == 3
    assert all(len(os.fsencode(f"{stem}_composite.png")) <= 255 for stem in stems)


def test_a_photo_with_the_longest_name_is_saved(photo, tmp_path):
    write(tmp_path / "in" / f"{'a' * 251}.png", photo)
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out")
    wf.run_on(folder=str(tmp_path / "in"))
    assert task.failures == {}
    assert len(names(tmp_path / "out")) == 3


@pytest.mark.parametrize("parents", ["", "out"], ids=["output is a file", "output lies in a file"])
def test_what_cannot_be_saved_is_a_failure(parents, photo, tmp_path):
    path = write(tmp_path / "in" / "a.png", photo)
    (tmp_path / "out").write_text("a file, no folder")
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out" / parents)
    wf.run_on(folder=str(tmp_path / "in"))
    assert "not saved" in task.failures[str(path)]


def test_an_interruption_while_saving_is_a_failure(photo, tmp_path, monkeypatch):
    write(tmp_path / "in" / "a.png", photo)
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("infer_p3m_portrait_matting.plugin.outputs.encode_png", interrupt)
    # Ikomia may pass an error on or print it.
    with suppress(BaseException):
        wf.run_on(folder=str(tmp_path / "in"))
    assert "interrupted" in task.failures[str(tmp_path / "in" / "a.png")]
    assert names(tmp_path / "out") == []


def test_a_photo_after_a_video_has_its_matte_and_alpha(photo, tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, photo.shape[1::-1])
    for _ in range(2):
        writer.write(np.ascontiguousarray(photo[..., ::-1]))
    writer.release()
    wf, task = workflow_with(input_size=64)
    wf.set_auto_save(True)
    wf.output_folder = str(tmp_path / "out")
    wf.run_on(path=str(path))
    wf.run_on(path=str(write(tmp_path / "photo.png", photo)))
    assert task.get_output(1).get_image().shape == photo.shape[:2]
    assert task.get_output(2).get_image().shape == (*photo.shape[:2], 4)
    assert set(three("photo")) <= set(names(tmp_path / "out"))
    (cutout,) = (tmp_path / "out").rglob("photo_cutout.png")
    assert cv2.imread(str(cutout), -1).shape[2] == 4


def test_a_task_behind_gets_the_photo_after_a_video(photo, tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, photo.shape[1::-1])
    writer.write(np.ascontiguousarray(photo[..., ::-1]))
    writer.release()
    wf, task = workflow_with(input_size=64)
    seen = []

    class Behind(dataprocess.C2dImageTask):
        def run(self):
            self.begin_task_run()
            seen.append(self.get_input(0).get_image().copy())
            self.end_task_run()

    behind = Behind("behind")
    wf.add_task(behind)
    wf.connect_tasks(task, behind, [(2, 0)])
    wf.run_on(path=str(path))
    wf.run_on(array=photo)
    assert seen[-1].shape == (*photo.shape[:2], 4)


@pytest.mark.parametrize("given", ["array", "path"])
def test_a_folder_after_a_photo_is_refused_with_the_remedy(given, photo, tmp_path):
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out")
    first = photo if given == "array" else str(write(tmp_path / "first.png", photo))
    wf.run_on(**{given: first})
    path = write(tmp_path / "in" / "a.png", photo[:90])
    wf.run_on(folder=str(tmp_path / "in"))
    assert list(task.failures) == [str(path)]
    assert "make a new Workflow for each folder" in task.failures[str(path)]
    assert list((tmp_path / "out").rglob("*.png")) == []


def test_a_second_folder_is_refused_with_the_remedy(photo, tmp_path):
    wf, task = workflow_with(input_size=64)
    wf.output_folder = str(tmp_path / "out")
    for name in ("one", "two"):
        path = write(tmp_path / name / f"{name}.png", photo)
        wf.run_on(folder=str(tmp_path / name))
    assert list(task.failures) == [str(path)]
    assert "make a new Workflow for each folder" in task.failures[str(path)]


@pytest.mark.slow
def test_two_processes_in_one_folder_of_results_keep_all(photo, tmp_path):
    script = """
import sys
sys.path[:0] = sys.argv[1:3]
from ikomia_plugin import core
import numpy as np
from infer_p3m_portrait_matting.plugin.outputs import LosslessImageIO, Results
results = Results()
for number in range(40):
    owner = results.new_owner("")
    for name in ("composite", "matte", "cutout"):
        made = LosslessImageIO(core.IODataType.IMAGE, name, "", results, "task")
        made.owner = owner
        made.set_image(np.zeros((4, 4, 3), np.uint8))
        made.save(sys.argv[3] + "/taskempty.png")
"""
    command = [sys.executable, "-c", script, str(ROOT), str(ROOT / "tests" / "scripts"), str(tmp_path)]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(300) for process in running] == [0, 0]
    assert len(names(tmp_path)) == 2 * 40 * 3
