"""The picture of an evaluation's worst cases."""

import numpy as np

from infer_p3m_portrait_matting.evaluate.contact_sheet import contact_sheet


def case(height, width):
    photo = np.full((height, width, 3), (200, 20, 20), np.uint8)
    true = np.zeros((height, width), np.uint8)
    predicted = np.full((height, width), 255, np.uint8)
    return "a photo", photo, true, predicted


def test_a_row_shows_photo_true_and_predicted_matte_and_their_difference():
    sheet = contact_sheet([case(720, 360)])
    assert sheet.dtype == np.uint8
    # Every picture becomes 360 px on its long side, below a caption of 28 px.
    middles = [sheet[28 + 180, 8 + column * 368 + 90] for column in range(4)]
    np.testing.assert_array_equal(middles, [(200, 20, 20), (0, 0, 0), (255, 255, 255), (255, 255, 255)])
    assert (sheet[:28] < 128).any(), "the caption is missing"
    assert (sheet[28:, 8 + 180 : 368] == 255).all(), "the photo is wider than its aspect ratio allows"


def test_rows_are_as_high_as_their_photos():
    assert contact_sheet([case(720, 360), case(100, 400)]).shape == (360 + 90 + 2 * (28 + 8), 4 * 368 + 8, 3)


def test_without_cases_the_sheet_is_white():
    sheet = contact_sheet([])
    assert sheet.ndim == 3
    assert (sheet == 255).all()
