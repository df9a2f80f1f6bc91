"""Finding and hiding faces, in the core and in the Ikomia task."""

import logging

import numpy as np
import pytest
from ikomia_plugin import outputs, workflow_with

from infer_p3m_portrait_matting.p3m import find_faces
from infer_p3m_portrait_matting.p3m.faces.hide import face_area

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def portrait(astronaut):
    """One face, at about (180, 60) to (270, 180)."""
    return astronaut[:384, 40:424].copy()


@pytest.fixture(scope="module")
def nobody():
    return np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize("background", ["#ffffff", "blur", "transparent"])
def test_the_task_hides_the_face_in_composite_and_cutout(portrait, background):
    wf, task = workflow_with(input_size=256, anonymize="pixelate", background=background)
    wf.run_on(array=portrait)
    together, matte, person = outputs(task)
    task.set_parameters({"anonymize": "none"})
    wf.run_on(array=portrait)
    for got, open_face in zip((together, person), (outputs(task)[0], outputs(task)[2]), strict=True):
        area = face_area(find_faces(portrait)[0], *matte.shape) & (matte == 255)
        assert area.sum() > 2000
        assert (got[area][:, :3] != open_face[area][:, :3]).any(-1).mean() > 0.9
        assert len(np.unique(got[area][:, :3], axis=0)) <= 64
    np.testing.assert_array_equal(matte, outputs(task)[1])


def test_a_photo_without_a_face_is_a_warning_or_strictly_an_error(nobody, caplog):
    wf, task = workflow_with(input_size=128, anonymize="blur")
    with caplog.at_level(logging.WARNING):
        wf.run_on(array=nobody)
    assert [r.message for r in caplog.records if "no face was found in the photo" in r.message]
    assert outputs(task)[0].shape == nobody.shape
    task.set_parameters({"anonymize_strict": True})
    with pytest.raises(RuntimeError, match=r"no face was found in the photo.*there is no output"):
        wf.run_on(array=nobody)
    assert all(image is None or image.size == 0 for image in outputs(task))
