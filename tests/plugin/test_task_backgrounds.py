"""The Ikomia task's colours and backgrounds, and the second image port with its traps."""

import cv2
import numpy as np
import pytest
from ikomia_plugin import NAME, Workflow, outputs, workflow_with

from infer_p3m_portrait_matting.p3m import (
    blurred_background,
    composite,
    crop_to_fill,
    cutout,
    estimate_foreground,
)


@pytest.fixture(scope="module")
def photo(astronaut):
    return astronaut[:288, 64:384].copy()


@pytest.fixture(scope="module")
def alpha(in_task, photo):
    return in_task.matte(photo, "HYBRID", 256)


@pytest.fixture(scope="module")
def beach():
    """A picture wider than the photo."""
    picture = np.random.default_rng(0).integers(0, 256, (10, 40, 3), dtype=np.uint8)
    return cv2.resize(picture, (800, 200), interpolation=cv2.INTER_CUBIC)


def run(photo, **parameters) -> list[np.ndarray]:
    wf, task = workflow_with(input_size=256, precision="float32", **parameters)
    wf.run_on(array=photo)
    return outputs(task)


def test_the_original_colours_may_be_kept(photo, alpha):
    together, _, person = run(photo, foreground="original", background="steelblue")
    np.testing.assert_array_equal(person, cutout(photo, alpha))
    np.testing.assert_array_equal(together, composite(photo, alpha, (70, 130, 180)))


def test_a_transparent_composite_is_the_cutout_in_memory_of_its_own(photo, alpha):
    together, _, person = run(photo, background="transparent")
    np.testing.assert_array_equal(together, cutout(estimate_foreground(photo, alpha), alpha))
    np.testing.assert_array_equal(together, person)
    assert not np.shares_memory(together, person)


def test_a_blurred_composite_keeps_the_person(photo, alpha):
    together, _, _ = run(photo, background="blur")
    behind = blurred_background(photo, alpha)
    np.testing.assert_array_equal(together, composite(estimate_foreground(photo, alpha), alpha, behind))
    np.testing.assert_array_equal(together[alpha == 1], photo[alpha == 1])


def test_a_picture_from_a_file_is_cropped_to_fill(photo, alpha, beach, tmp_path):
    path = tmp_path / "beach picture.png"
    cv2.imwrite(str(path), beach[..., ::-1])
    together, _, _ = run(photo, background="image", background_file=path)
    wanted = composite(estimate_foreground(photo, alpha), alpha, crop_to_fill(beach, *alpha.shape))
    np.testing.assert_array_equal(together, wanted)
    # Another picture under the same name is noticed.
    cv2.imwrite(str(path), 255 - beach[..., ::-1])
    assert not np.array_equal(run(photo, background="image", background_file=path)[0], wanted)


def two_inputs(photo, beach, **parameters):
    """The photo and the picture as global inputs, wired by hand into ports 0 and 2."""
    wf = Workflow()
    wf.set_image_input(array=photo, index=0)
    wf.set_image_input(array=beach, index=1)
    task = wf.add_task(name=NAME)
    task.set_parameters(
        {"model_name": "mobile", "cuda": "False", "precision": "float32", "input_size": 256, **parameters}
    )
    wf.connect_tasks(wf.root(), task, [(0, 0), (1, 2)])
    return wf, task


def test_the_second_image_port_has_its_name():
    _, task = workflow_with()
    assert (task.get_input_count(), task.get_input(2).name) == (6, "background")


def test_a_picture_from_the_second_port(photo, alpha, beach):
    wf, task = two_inputs(photo, beach, background="image")
    wf.run()
    wanted = composite(estimate_foreground(photo, alpha), alpha, crop_to_fill(beach, *alpha.shape))
    np.testing.assert_array_equal(outputs(task)[0], wanted)


@pytest.mark.parametrize("second", [None, np.full((8, 8, 3), np.nan, np.float32)], ids=["empty", "NaN"])
def test_the_second_port_is_not_looked_at_unless_asked_for(photo, alpha, second):
    wf, task = two_inputs(photo, np.zeros((4, 4, 3), np.uint8) if second is None else second)
    wf.run()
    np.testing.assert_array_equal(outputs(task)[0], composite(estimate_foreground(photo, alpha), alpha))


def test_an_unconnected_second_port_is_a_clear_error_and_the_next_run_works(photo):
    wf, task = workflow_with(input_size=256, precision="float32", background="image")
    with pytest.raises(
        RuntimeError, match=r"input 2 \(background\) is empty: connect another picture.*background_file"
    ):
        wf.run_on(array=photo)
    assert all(image is None or image.size == 0 for image in outputs(task))
    task.set_parameters({"background": "blur"})
    wf.run_on(array=photo)
    assert outputs(task)[0].shape == photo.shape


@pytest.mark.slow
def test_a_task_before_us_leads_by_its_matte_and_gives_no_background_unless_asked_for(photo, in_task):
    # Ikomia connects the second picture of a task before ours to our second image input, by itself, and its matte to
    # the guide.
    wf = Workflow()
    first = wf.add_task(
        name=NAME,
        params={"model_name": "mobile", "cuda": "False", "precision": "float32", "input_size": "256"},
        auto_connect=True,
    )
    second = wf.add_task(name=NAME, params=first.get_param_object().get_values(), auto_connect=True)
    wf.run_on(array=photo)
    assert second.get_input(2).get_image() is not None, "Ikomia left the port alone: this test has lost its point"
    together, matte, _ = outputs(first)
    np.testing.assert_array_equal(second.get_input(3).get_image(), matte)
    led = in_task.matte(together, "HYBRID", 256, mask=matte)
    np.testing.assert_array_equal(outputs(second)[0], composite(estimate_foreground(together, led), led))


def test_the_photo_itself_is_no_background(photo):
    # As Ikomia wires a folder with one picture beside it: the picture into both ports.
    wf = Workflow()
    wf.set_image_input(array=photo, index=0)
    task = wf.add_task(name=NAME)
    task.set_parameters(
        {"model_name": "mobile", "cuda": "False", "precision": "float32", "input_size": 256, "background": "image"}
    )
    wf.connect_tasks(wf.root(), task, [(0, 0), (0, 2)])
    with pytest.raises(RuntimeError, match="gets the photo itself: connect another picture"):
        wf.run()


def test_a_picture_that_ikomia_wires_into_both_ports_beside_a_folder_is_an_error(photo, beach, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), photo[..., ::-1])
    cv2.imwrite(str(tmp_path / "beach.png"), beach[..., ::-1])
    wf = Workflow()
    wf.set_directory_input(folder=str(tmp_path / "in"), index=0)
    wf.set_image_input(path=str(tmp_path / "beach.png"), index=1)
    task = wf.add_task(name=NAME, auto_connect=True)
    task.set_parameters({"model_name": "mobile", "cuda": "False", "input_size": 128, "background": "image"})
    wf.output_folder = str(tmp_path / "out")
    wf.run()
    # Ikomia goes on after a failing file; what failed, and why, stays with the task.
    (message,) = task.failures.values()
    assert "gets the photo itself: connect another picture to input 2 (background), or set background_file" in message
    assert not list((tmp_path / "out").rglob("*.png"))


@pytest.mark.slow
def test_a_folder_of_photos_with_one_background_file(photo, beach, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), photo[..., ::-1])
    cv2.imwrite(str(tmp_path / "beach.png"), beach[..., ::-1])
    wf, task = workflow_with(
        input_size=256, precision="float32", background="image", background_file=tmp_path / "beach.png"
    )
    wf.run_on(folder=str(tmp_path / "in"))
    np.testing.assert_array_equal(
        outputs(task)[0], run(photo, background="image", background_file=tmp_path / "beach.png")[0]
    )


@pytest.mark.parametrize(("content", "words"), [(None, "does not exist"), (b"text", "cannot be read as an image")])
def test_a_bad_background_file_is_named(photo, tmp_path, content, words):
    path = tmp_path / "behind.jpg"
    if content is not None:
        path.write_bytes(content)
    wf, _ = workflow_with(input_size=256, precision="float32", background="image", background_file=path)
    with pytest.raises(RuntimeError, match=rf"background_file .*behind\.jpg {words}"):
        wf.run_on(array=photo)
