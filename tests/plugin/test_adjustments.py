"""The adjusted matte and the crop, in the pictures and in real workflows."""

import cv2
import numpy as np
import pytest
from ikomia_plugin import fails, outputs, warnings, workflow_with

from infer_p3m_portrait_matting.p3m import adjust, composite, cutout, estimate_foreground, to_uint8
from infer_p3m_portrait_matting.p3m.imaging.adjust import SEEN
from infer_p3m_portrait_matting.pipeline.pictures import make_pictures
from infer_p3m_portrait_matting.pipeline.settings import Settings


@pytest.fixture
def photo(astronaut):
    return astronaut[:320, 64:352].copy()


def run(photo, **parameters):
    wf, task = workflow_with(input_size=256, **parameters)
    wf.run_on(array=photo)
    return outputs(task)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"invert": True},
        {"feather": 4.5},
        {"shift": -3},
        {"despeckle": 0.5},
        {"invert": True, "feather": 2.0, "shift": 2, "despeckle": 0.01},
    ],
    ids=str,
)
def test_every_picture_is_made_of_the_adjusted_matte(photo, in_task, parameters):
    alpha = adjust(in_task.matte(photo, input_size=256), **parameters)
    foreground = estimate_foreground(photo, alpha)
    together, matte, person = run(photo, background="#204060", precision="float32", **parameters)
    np.testing.assert_array_equal(matte, to_uint8(alpha))
    np.testing.assert_array_equal(person, cutout(foreground, alpha))
    np.testing.assert_array_equal(together, composite(foreground, alpha, (0x20, 0x40, 0x60)))


@pytest.mark.slow
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("background", ["white", "blur", "transparent"])
def test_crop_cuts_all_three_pictures_alike(photo, in_task, background, invert):
    # A frame around the person, so that there is something to cut off.
    photo = cv2.copyMakeBorder(photo, 60, 0, 80, 40, cv2.BORDER_REPLICATE)
    whole, tight, loose = (
        run(photo, background=background, invert=invert, crop=crop, precision="float32") for crop in ("none", 0, 20)
    )
    height, width = tight[1].shape
    assert height < photo.shape[0]
    assert width < photo.shape[1]
    assert loose[1].shape[0] > height
    # Not of the matte in 8 bits: alpha near the bound may be rounded to either side of it.
    person = in_task.matte(photo, input_size=256) > SEEN
    rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
    assert (height, width) == (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    for got, want in zip(tight, whole, strict=True):
        np.testing.assert_array_equal(got, want[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def test_crop_of_nobody_keeps_the_size_and_says_so(caplog):
    empty = np.full((96, 128, 3), 200, np.uint8)
    found = make_pictures(empty, np.full((96, 128), 0.03, np.float32), Settings(crop="10"))
    assert [picture.shape[:2] for picture in (found.composite, found.matte, found.cutout)] == [(96, 128)] * 3
    (warning,) = found.warnings
    assert "crop: nobody is in the matte" in warning
    together, matte, _ = run(empty, crop=10)
    assert together.shape == empty.shape
    assert matte.max() < 16
    assert len(warnings(caplog, "crop: nobody is in the matte")) == 1


def test_a_video_cannot_be_cropped(photo, tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (photo.shape[1], photo.shape[0]))
    for _ in range(2):
        writer.write(photo[..., ::-1])
    writer.release()
    wf, _ = workflow_with(input_size=128, crop=10)
    fails(wf, 'crop must be "none" for a video', path=str(path))


def test_a_translucent_background_gives_an_rgba_composite(photo):
    together = run(photo, background="#20406080")[0]
    assert together.shape == (*photo.shape[:2], 4)
    assert together[..., 3].min() == 128
    assert together[..., 3].max() == 255
