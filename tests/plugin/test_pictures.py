"""The three pictures of a run, for every kind of photo and every choice of colours, background and faces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, hide_faces
from infer_p3m_portrait_matting.p3m.arrays import opacity
from infer_p3m_portrait_matting.pipeline.outputs import OUTPUTS
from infer_p3m_portrait_matting.pipeline.pictures import make_pictures
from infer_p3m_portrait_matting.pipeline.settings import BACKGROUNDS, PARAMETERS, Settings


@st.composite
def photos(draw):
    """A photo of any size, dtype and channels, a matte, and a picture for the background."""
    height, width = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    channels = draw(st.sampled_from([(), (1,), (3,), (4,)]))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def picture(*shape):
        values = rng.random(shape)
        return values.astype(dtype) if np.dtype(dtype).kind == "f" else (values * np.iinfo(dtype).max).astype(dtype)

    alpha = np.clip(rng.normal(0.5, 1, (height, width)), 0, 1).astype(np.float32)
    background_image = picture(int(rng.integers(1, 60)), int(rng.integers(1, 60)), *channels)
    return picture(height, width, *channels), alpha, background_image


@pytest.mark.parametrize("obfuscation", OBFUSCATIONS)
def test_a_blurred_background_shows_no_open_face(astronaut, obfuscation):
    face, alpha = Face(180, 60, 275, 185, 0, 1), np.zeros((512, 512), np.float32)
    alpha[300:] = 1  # the person stands elsewhere
    hidden = hide_faces(astronaut, alpha, [face], obfuscation)
    blur = Settings(background="blur")
    got = make_pictures(astronaut, alpha, Settings(background="blur", anonymize=obfuscation), faces=[face]).composite
    np.testing.assert_array_equal(got, make_pictures(hidden, alpha, blur).composite)
    assert not np.array_equal(got, make_pictures(astronaut, alpha, blur).composite)


@pytest.mark.slow
@given(
    photo=photos(),
    background=st.sampled_from([*BACKGROUNDS, "#102030"]),
    foreground=st.sampled_from(list(PARAMETERS["foreground"].choices)),
    anonymize=st.sampled_from(OBFUSCATIONS),
    corners=st.lists(st.integers(-50, 750), min_size=4, max_size=4),
    roll=st.integers(-180, 180),
)
def test_every_choice_gives_whole_pictures_and_gives_them_again(
    photo, background, foreground, anonymize, corners, roll
):
    image, alpha, background_image = photo
    (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
    faces = [Face(left, top, right, bottom, roll, 1.0)]
    settings = Settings(background=background, foreground=foreground, anonymize=anonymize)
    before = image.copy(), alpha.copy(), background_image.copy()
    first, again = (make_pictures(image, alpha, settings, background_image, faces) for _ in range(2))
    for given_array, kept in zip((image, alpha, background_image), before, strict=True):
        np.testing.assert_array_equal(given_array, kept)
    for name in OUTPUTS:
        one, two = getattr(first, name), getattr(again, name)
        np.testing.assert_array_equal(one, two)
        alone = make_pictures(image, alpha, settings, background_image, faces, [name])
        np.testing.assert_array_equal(getattr(alone, name), one)
        assert [other for other in OUTPUTS if getattr(alone, other) is not None] == [name]
        assert one.dtype == np.uint8
        assert not np.shares_memory(one, image)
    assert first.matte.shape == alpha.shape
    assert first.cutout.shape == (*alpha.shape, 4)
    assert first.composite.shape == (*alpha.shape, 4 if background == "transparent" else 3)
    np.testing.assert_array_equal(first.cutout[..., 3], first.matte)
    if background != "transparent":
        # Where the person is opaque, composite and cut-out show the same colours.
        own = opacity(image)
        opaque = (alpha if own is None else alpha * own) == 1
        np.testing.assert_array_equal(first.composite[opaque], first.cutout[opaque][:, :3])


def test_a_picture_for_the_background_is_needed_only_for_that_background():
    image, alpha = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.float32)
    assert make_pictures(image, alpha, Settings()).composite.min() == 255
    with pytest.raises(TypeError, match=r"must be a numpy array.* got NoneType"):
        make_pictures(image, alpha, Settings(background="image"))
