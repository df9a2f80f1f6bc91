"""What is put behind the person."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import blurred_background, crop_to_fill
from infer_p3m_portrait_matting.p3m.arrays import strips
from infer_p3m_portrait_matting.p3m.imaging import backgrounds as module


def gradient(height, width):
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), np.zeros_like(x)]).astype(np.uint8)


def test_a_picture_is_cropped_evenly_and_never_squashed():
    # 400 wide to 100 wide at full height: the middle quarter of the columns, all rows.
    out = crop_to_fill(gradient(100, 400), 100, 100)
    assert out.shape == (100, 100, 3)
    assert out[50, 0, 0] == pytest.approx(255 * 150 / 399, abs=2)
    assert out[50, -1, 0] == pytest.approx(255 * 249 / 399, abs=2)
    assert (out[0, 0, 1], out[-1, 0, 1]) == (0, 255)
    # A tall one loses above and below.
    out = crop_to_fill(gradient(400, 100), 100, 100)
    assert (out[0, 0, 0], out[0, -1, 0]) == (0, 255)
    assert out[0, 0, 1] == pytest.approx(255 * 150 / 399, abs=2)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (64, 64)])
@pytest.mark.parametrize("wanted", [(1, 1), (50, 80), (200, 3)])
def test_every_size_is_filled(size, wanted):
    assert crop_to_fill(gradient(*size), *wanted).shape == (*wanted, 3)


def test_the_picture_s_scale_is_the_same_in_both_directions():
    # A circle stays a circle.
    y, x = np.mgrid[:300, :500]
    picture = np.where(np.hypot(x - 250, y - 150) < 100, 255, 0).astype(np.uint8)
    out = crop_to_fill(picture, 90, 90)[..., 0] > 127
    assert abs(out.any(0).sum() - out.any(1).sum()) <= 1
    assert out.any(0).sum() == pytest.approx(200 * 90 / 300, abs=1)


def test_the_person_does_not_smear_into_the_blurred_background():
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[..., 2] = 180
    photo[:, 100:200] = (255, 0, 0)
    alpha = np.zeros((200, 300), np.float32)
    alpha[:, 100:200] = 1
    out = blurred_background(photo, alpha)
    assert out.shape == photo.shape
    assert out.dtype == np.uint8
    assert (np.abs(out.astype(int) - (0, 0, 180)) <= 2).all()


def test_the_background_is_really_blurred():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::16] = 255
    out = blurred_background(stripes, np.zeros((256, 256), np.float32), blur=0.05)
    assert out.std() < 0.1 * stripes.std()
    assert out.mean() == pytest.approx(stripes.mean(), rel=0.05)


@pytest.mark.parametrize("value", [0, 1])
def test_all_person_or_none_is_no_division_by_zero(value):
    photo = gradient(5, 3)
    assert blurred_background(photo, np.full((5, 3), value, np.float32)).shape == photo.shape


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="empty"):
        crop_to_fill(np.zeros((0, 4, 3), np.uint8), 4, 4)
    with pytest.raises(ValueError, match="one size"):
        blurred_background(gradient(4, 4), np.zeros((4, 5), np.float32))


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (3, 200), (200, 3), (1, 1)])
def test_shrinking_and_enlarging_in_strips_is_opencvs(size, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.arrays._STRIP", 2100)
    height, width = size
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    small = (max(width // 4, 1), max(height // 4, 1))
    got = module.shrink(lambda strip: picture[strip], height, width, small)
    np.testing.assert_allclose(got, cv2.resize(picture, small, interpolation=cv2.INTER_AREA), atol=1e-5)
    enlarged = module.Enlarged(got, height, width)
    whole = np.concatenate([enlarged[strip] for strip in strips(height, 3 * width)])
    np.testing.assert_allclose(whole, cv2.resize(got, (width, height)), atol=1e-5)


def test_a_blurred_background_does_not_show_its_strips(astronaut, mobile, monkeypatch):
    photo = astronaut[:200, 100:333]
    alpha = mobile.matte(photo, input_size=128)
    whole = blurred_background(photo, alpha)
    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.arrays._STRIP", 4500)
    assert np.abs(blurred_background(photo, alpha).astype(int) - whole).max() <= 1
