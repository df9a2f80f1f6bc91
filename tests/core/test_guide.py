"""Guides: what is known of a matte beforehand becomes a trimap and strokes of the photo's size."""

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import Guide, trimap_of_mask
from infer_p3m_portrait_matting.p3m.imaging.guide import DECIDE, KEEP, NOTHING, REMOVE, corrections_of, paint


def square(height: int = 60, width: int = 90) -> np.ndarray:
    """A mask, bool: a square of 30 px in the middle."""
    mask = np.zeros((height, width), bool)
    mask[height // 2 - 15 : height // 2 + 15, width // 2 - 15 : width // 2 + 15] = True
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        square(),
        square().astype(np.uint8),
        square().astype(np.uint8) * 255,
        square().astype(np.uint16) * 65535,
        square().astype(np.float64),
        square()[..., None],
    ],
)
def test_a_mask_becomes_a_band_of_either_side(mask):
    trimap = trimap_of_mask(mask, 60, 90, band=4)
    row = trimap[30]
    assert trimap.dtype == np.uint8
    assert set(np.unique(trimap)) == {0, 128, 255}
    # The edge lies between columns 29 and 30, and between 59 and 60.
    assert np.flatnonzero(row == 128).tolist() == [*range(26, 34), *range(56, 64)]
    assert row[45] == 255
    assert row[0] == 0


def test_the_band_is_as_wide_as_the_mask_is_coarse():
    def width(mask, height=60, photo_width=90):
        trimap = trimap_of_mask(mask, height, photo_width)
        return np.count_nonzero(trimap[height // 2, : photo_width // 2] == 128)

    whole = square()
    assert width(whole) == 2  # half a percent of 90 px is less than a pixel of the mask
    small = cv2.resize(whole.astype(np.uint8), (15, 10), interpolation=cv2.INTER_AREA)
    assert 12 <= width(small) <= 14
    large = cv2.resize(whole.astype(np.uint8), (1800, 1200), interpolation=cv2.INTER_NEAREST)
    assert width(large, 1200, 1800) == 2 * 9


def test_a_band_of_nothing_leaves_the_mask():
    np.testing.assert_array_equal(trimap_of_mask(square(), 60, 90, band=0), square() * np.uint8(255))


def test_a_mask_of_nobody_or_everything_is_known_everywhere():
    assert not trimap_of_mask(np.zeros((6, 9), bool), 60, 90).any()
    assert (trimap_of_mask(np.ones((6, 9), np.uint8), 60, 90) == 255).all()


def test_where_a_soft_mask_is_unsure_alpha_is_unknown():
    soft = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (50, 1))
    row = trimap_of_mask(soft, 50, 101, band=1)[25]
    assert np.flatnonzero(row == 128).tolist() == list(range(6, 95))


def test_a_trimap_of_any_values_is_scaled_without_losing_the_unknown():
    trimap = np.zeros((30, 40), np.uint8)
    trimap[:, 20:] = 255
    trimap[:, 19] = 7
    same = Guide(trimap=trimap).fit(30, 40).trimap
    assert np.flatnonzero(same[0] == 128).tolist() == [19]
    for height, width in ((60, 80), (90, 120), (10, 13)):
        scaled = Guide(trimap=trimap).fit(height, width).trimap
        assert scaled.shape == (height, width)
        unknown = np.flatnonzero(scaled[0] == 128)
        assert len(unknown)
        assert (scaled[0, : unknown[0]] == 0).all()
        assert (scaled[0, unknown[-1] + 1 :] == 255).all()


def test_corrections_are_scaled_as_they_are():
    corrections = np.zeros((10, 15), np.uint8)
    corrections[2:4, 3:6], corrections[5:6, 5:8], corrections[7:, :2] = KEEP, REMOVE, DECIDE
    fitted = Guide(corrections=corrections).fit(40, 60)
    np.testing.assert_array_equal(fitted.corrections, corrections.repeat(4, 0).repeat(4, 1))
    assert fitted.maps().keys() == {"corrections"}


def test_a_fitted_guide_fits_again_and_is_cut_like_its_photo():
    fitted = Guide(mask=square(), corrections=square().astype(np.uint8)).fit(60, 90)
    again = fitted.fit(60, 90)
    np.testing.assert_array_equal(again.trimap, fitted.trimap)
    window = slice(10, 40), slice(20, 80)
    part = fitted.cut(window)
    np.testing.assert_array_equal(part.trimap, fitted.trimap[window])
    np.testing.assert_array_equal(part.corrections, fitted.corrections[window])


@pytest.mark.parametrize(
    ("guide", "error", "words"),
    [
        ({"mask": square(60, 80)}, ValueError, "the mask is 80 x 60 px, the photo 90 x 60 px: give a picture of the"),
        ({"trimap": np.zeros((20, 20), np.uint8)}, ValueError, "the trimap is 20 x 20 px, the photo 90 x 60"),
        ({"corrections": np.zeros((9, 6), np.uint8)}, ValueError, "corrections are 6 x 9 px, the photo 90 x 60 px"),
        ({"trimap": np.zeros((60, 90), np.float32)}, TypeError, "the trimap must be uint8 .* got float32"),
        ({"corrections": np.zeros((60, 90))}, TypeError, "corrections must be uint8 .* got float64"),
        ({"corrections": np.full((60, 90), 4, np.uint8)}, ValueError, r"hold 0 .* and 3 \(decide\), got 4"),
        ({"mask": np.zeros((60, 90), np.int64)}, TypeError, "the mask must be bool, uint8, uint16 or floating"),
        ({"mask": np.full((60, 90), 200.0)}, ValueError, r"mask must lie in \[0, 1\], got \[200, 200\]"),
        ({"mask": np.full((60, 90), np.nan)}, ValueError, r"mask must lie in \[0, 1\]"),
        (
            {"mask": np.zeros((60, 90, 3), np.uint8)},
            ValueError,
            r"the mask must be \[H, W\] .* got shape \(60, 90, 3\)",
        ),
        ({"mask": np.zeros((0, 90), np.uint8)}, ValueError, "not empty"),
        ({"mask": [[1]]}, TypeError, "the mask must be a numpy array, got list"),
        ({"mask": square(), "band": -1}, ValueError, "band must be a number of pixels, 0 or more, got -1"),
        ({"mask": square(), "band": float("nan")}, ValueError, "band must be a number of pixels"),
        ({"band": 3}, ValueError, "band has no effect without a mask"),
        ({"trimap": np.zeros((60, 90), np.uint8), "mask": square()}, ValueError, "exclude each other"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(guide, error, words):
    with pytest.raises(error, match=words):
        Guide(**guide).fit(60, 90)


@pytest.mark.parametrize(("height", "width"), [(67, 101), (68, 101), (540, 810), (1080, 1619)])
def test_a_size_may_be_rounded(height, width):
    assert Guide(mask=np.ones((height, width), bool)).fit(1080, 1620).trimap.shape == (1080, 1620)


@pytest.mark.parametrize(("stroke", "inside", "around"), [(KEEP, 1, 0), (REMOVE, 0, 1)])
def test_strokes_set_alpha_with_a_soft_rim(stroke, inside, around):
    corrections = np.zeros((40, 60), np.uint8)
    corrections[10:20, 10:20] = stroke
    alpha = paint(np.full((40, 60), around, np.float32), corrections)
    assert (alpha[corrections == stroke] == inside).all()
    off = np.abs(alpha[15, 19:24] - around)
    assert off[0] == 1 > off[1] > off[2] > off[3] == off[4] == 0
    np.testing.assert_array_equal(paint(alpha, corrections), alpha)


def test_a_rim_reaches_into_no_other_stroke():
    corrections = np.full((20, 30), REMOVE, np.uint8)
    corrections[:, 10:20], corrections[:, 20:] = KEEP, DECIDE
    alpha = paint(np.full((20, 30), 0.5, np.float32), corrections)
    assert (alpha[:, :10] == 0).all()
    assert (alpha[:, 10:20] == 1).all()
    assert (alpha[:, 20:] == 0.5).all()


def test_nothing_drawn_changes_nothing():
    alpha = np.full((4, 5), 0.5, np.float32)
    assert paint(alpha, np.zeros((4, 5), np.uint8)) is alpha
    assert paint(alpha, np.full((4, 5), DECIDE, np.uint8)) is alpha


def test_colours_say_what_a_stroke_does():
    strokes = np.zeros((4, 6, 4), np.uint8)
    strokes[0, :, :] = (20, 230, 40, 255)
    strokes[1, :, :] = (255, 0, 0, 255)
    strokes[2, :, :] = (60, 90, 255, 200)
    strokes[3, :, :] = (0, 255, 0, 100)
    assert corrections_of(strokes)[:, 0].tolist() == [KEEP, REMOVE, DECIDE, 0]


def test_a_mixed_colour_on_an_edge_between_strokes_is_passed_over():
    strokes = np.zeros((10, 20, 4), np.uint8)
    strokes[:, :9], strokes[:, 9], strokes[:, 10:19] = (0, 255, 0, 255), (128, 128, 0, 255), (255, 0, 0, 255)
    assert corrections_of(strokes)[0].tolist() == [KEEP] * 9 + [0] + [REMOVE] * 9 + [0]


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (4, 4, 4)])
def test_strokes_without_transparency_are_refused(shape):
    with pytest.raises(ValueError, match=r"strokes\.png has no transparent places: draw green, red or blue"):
        corrections_of(np.full(shape, 255, np.uint8), "strokes.png")


def test_strokes_in_other_colours_are_refused():
    strokes = np.zeros((4, 6, 4), np.uint8)
    strokes[:2] = 255
    with pytest.raises(ValueError, match="the picture of strokes has strokes in other colours: draw green to keep"):
        corrections_of(strokes)


def test_known_is_what_a_trimap_and_strokes_say():
    trimap = np.array([[0, 128, 255, 0, 128, 255]], np.uint8)
    corrections = np.array([[NOTHING, NOTHING, NOTHING, DECIDE, KEEP, REMOVE]], np.uint8)
    assert Guide().known() is None
    assert Guide(trimap=trimap).known().tolist() == [[True, False, True, True, False, True]]
    assert Guide(corrections=corrections).known().tolist() == [[False, False, False, False, True, True]]
    assert Guide(trimap=trimap, corrections=corrections).known().tolist() == [[True, False, True, False, True, True]]
