"""What is saved and serialised: nothing is lost, and nothing is overwritten."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from ikomia_plugin import outputs, workflow_with

from infer_p3m_portrait_matting.plugin.outputs import FileNames


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def decode_png(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return image if image.ndim == 2 else cv2.cvtColor(image, codes[image.shape[2]])


def test_to_json_keeps_every_value(photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    for index, image in enumerate(outputs(task)):
        for options in (None, ["image_format", "jpg"], ["json_format", "indented", "image_format", "png"]):
            if options and "jpg" in options and index == 0:
                continue
            text = task.get_output(index).to_json(options) if options else task.get_output(index).to_json()
            np.testing.assert_array_equal(decode_png(base64.b64decode(json.loads(text)["image"])), image)


@pytest.mark.parametrize("word", ["jpg", "JPEG"])
def test_to_json_honours_jpeg_for_an_rgb_composite_and_for_nothing_else(photo, word):
    wf, task = workflow_with(input_size=256)
    for background, kinds in (("white", ["jpeg", "png", "png"]), ("transparent", ["png", "png", "png"])):
        task.set_parameters({"background": background})
        wf.run_on(array=photo)
        got = [
            base64.b64decode(json.loads(task.get_output(index).to_json(["image_format", word]))["image"])
            for index in range(3)
        ]
        assert ["jpeg" if data[:2] == b"\xff\xd8" else "png" if data[:4] == b"\x89PNG" else "" for data in got] == kinds
        if background == "white":
            decoded = cv2.imdecode(np.frombuffer(got[0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
            assert np.abs(decoded.astype(int) - outputs(task)[0]).mean() < 5


def test_saving_loses_no_alpha_and_overwrites_nothing(tmp_path, photo):
    wf, task = workflow_with(input_size=256)
    wf.run_on(array=photo)
    for index in range(3):
        task.get_output(index).save(str(tmp_path / "result.png"))
    names = ["result_composite.png", "result_matte.png", "result_cutout.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    for name, image in zip(names, outputs(task), strict=True):
        np.testing.assert_array_equal(decode_png((tmp_path / name).read_bytes()), image)


def test_ikomia_saves_all_three_outputs(photo):
    wf, task = workflow_with(input_size=256)
    wf.set_auto_save(True)
    wf.run_on(array=photo)
    files = Path(wf.get_last_run_folder()).rglob("*.png")
    found = {p.stem.rsplit("_", 1)[1]: decode_png(p.read_bytes()) for p in files}
    for name, image in zip(("composite", "matte", "cutout"), outputs(task), strict=True):
        np.testing.assert_array_equal(found[name], image)


def test_names_keep_photos_apart():
    names, folder = FileNames(), Path("/results")
    assert names.stem(folder, "a", "/in/a.png") == "a"
    assert names.stem(folder, "a", "/in/a.jpg") == "a_jpg"
    assert names.stem(folder, "a", "/in/sub/a.jpg") == "a_jpg_sub"
    assert names.stem(folder, "a", "/in/other/sub/a.jpg") == "a_jpg_sub_2"
    # The same photo keeps its name; another folder has names of its own.
    assert names.stem(folder, "a", "/in/a.jpg") == "a_jpg"
    assert names.stem(Path("/other"), "a", "/in/a.jpg") == "a"


def test_a_name_that_the_user_chose_is_kept_whatever_photo_it_is(photo, tmp_path):
    wf, task = workflow_with(input_size=128)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), photo)
        wf.run_on(path=str(tmp_path / name))
        task.get_output(1).save(str(tmp_path / "result.png"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "result_matte.png"]


def test_every_task_has_file_names_of_its_own(photo, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for folder in ("one", "two"):
        path = tmp_path / folder / "a.png"
        cv2.imwrite(str(path), photo)
        wf, task = workflow_with(input_size=128)
        wf.run_on(path=str(path))
        task.get_output(1).save(str(tmp_path / "a.png"))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["a_matte.png"]
