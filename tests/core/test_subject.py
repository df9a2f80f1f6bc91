"""One person out of several, on pictures whose true mattes are known."""

import numpy as np
import pytest
from groups import box_of, cut_out, group, sad

from infer_p3m_portrait_matting.p3m import Box, Face, find_faces, has_person, matte_person, parse_box, person_window
from infer_p3m_portrait_matting.p3m.imaging.subject import body_box, keep_person, window_of


@pytest.fixture(scope="module")
def person(mobile, astronaut):
    return cut_out(mobile, astronaut)


@pytest.fixture(scope="module")
def matte(mobile):
    return lambda image: mobile.matte(image, input_size=512)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(("gap", "share"), [(30, 0.12), (2, 0.2)])
def test_the_person_in_the_box_is_cut_out_and_nobody_else(person, matte, count, gap, share):
    image, truths = group(person, count, gap)
    before = image.copy()
    for truth in truths:
        alpha = matte_person(matte, image, box_of(truth))
        # Without the box, the others are in the matte as well.
        assert sad(alpha, truth) < share * sad(matte(image), truth)
        assert alpha.shape == truth.shape
        assert alpha.dtype == np.float32
    np.testing.assert_array_equal(image, before)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_the_box_of_the_largest_face_is_as_good(person, matte, count):
    image, truths = group(person, count, 30)
    faces = find_faces(image)
    assert len(faces) == count
    largest = max(faces, key=lambda face: face.bottom - face.top)
    row, column = int(largest.top + largest.bottom) // 2, int(largest.left + largest.right) // 2
    # By the detector's measure: it takes one of nearly the same size for larger now and then.
    truth = max(truths, key=lambda truth: truth[row, column])
    alpha = matte_person(matte, image, body_box(largest, faces))
    assert sad(alpha, truth) < 0.12 * sad(matte(image), truth)


def test_of_people_who_overlap_parts_of_the_other_stay(person, matte):
    # What the box cannot do; this holds the words of the documentation to it.
    image, truths = group(person, 2, -60)
    alpha = matte_person(matte, image, box_of(truths[1]))
    theirs = (truths[0] > 0.9) & (alpha > 0.9)
    assert theirs.sum() > 100
    assert sad(alpha, truths[1]) < sad(matte(image), truths[1])


def test_a_box_for_one_person_alone_changes_little(astronaut, matte):
    whole = matte(astronaut)
    alpha = matte_person(matte, astronaut, box_of(whole))
    assert sad(alpha, whole) < 0.05 * whole.sum() / 1000


@pytest.fixture
def two_squares():
    """Two opaque squares with soft ground between them: float32 [40, 100]."""
    alpha = np.zeros((40, 100), np.float32)
    alpha[10:30, 10:40] = alpha[10:30, 50:90] = 1
    alpha[18:22, 40:50] = 0.3
    return alpha


def test_soft_pixels_go_to_the_nearest(two_squares):
    left = keep_person(two_squares, Box(10, 10, 30, 20), margin=9)
    np.testing.assert_array_equal(left[:, :45], two_squares[:, :45])
    assert left[:, 45:].max() == 0
    right = keep_person(two_squares, Box(45, 5, 50, 30), margin=9)
    assert right[:, :44].max() == 0
    np.testing.assert_array_equal(right[:, 46:], two_squares[:, 46:])


def test_what_reaches_far_out_of_the_box_goes(two_squares):
    kept = keep_person(two_squares, Box(20, 10, 20, 20), margin=0.1)
    assert kept[:, :18].max() == 0
    np.testing.assert_array_equal(kept[10:30, 18:40], 1)


def test_strands_that_hang_together_stay_and_islands_go(two_squares):
    two_squares[5:10, 20] = 0.6
    two_squares[9, 20] = 0.2
    two_squares[1:3, 30:32] = 1
    kept = keep_person(two_squares, Box(10, 5, 30, 25), margin=1)
    np.testing.assert_array_equal(kept[5:10, 20], two_squares[5:10, 20])
    assert kept[:4].max() == 0


def test_nobody_in_the_box_is_an_empty_matte(two_squares):
    assert keep_person(two_squares, Box(0, 0, 5, 5)).max() == 0


@pytest.mark.parametrize("box", [Box(-50, -50, 60, 60), Box(99.5, 39.5, 500, 500), Box(10.2, 3.7, 0.1, 0.1)])
def test_boxes_over_the_border_and_tiny_ones_give_a_matte(two_squares, box):
    image = np.zeros((*two_squares.shape, 3), np.uint8)
    seen = []
    alpha = matte_person(lambda part: seen.append(part.shape) or np.ones(part.shape[:2], np.float32), image, box)
    assert alpha.shape == two_squares.shape
    assert min(seen[0]) >= 1


def test_the_network_sees_the_box_with_its_context_inside_the_photo():
    assert window_of(Box(100, 50, 100, 200), 400, 500) == (slice(0, 310), slice(70, 230))
    with pytest.raises(ValueError, match="the box 500,10,20,20 lies outside the photo of 500 x 400 px"):
        window_of(Box(500, 10, 20, 20), 400, 500)


def test_a_body_ends_where_the_neighbour_s_begins():
    face = Face(100, 50, 120, 80, 0, 1)
    assert body_box(face) == pytest.approx(Box(30, 23, 160, 357))
    beside, behind = Face(160, 50, 180, 80, 0, 1), Face(105, 10, 118, 30, 0, 1)
    assert body_box(face, [face, beside, behind]) == pytest.approx(Box(30, 23, 110, 357))


@pytest.mark.parametrize(("text", "box"), [("1,2,3,4", (1, 2, 3, 4)), (" -1.5, 2 ,3e2,4 ", (-1.5, 2, 300, 4))])
def test_parse_box_reads(text, box):
    assert parse_box(text) == Box(*box)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,nan,4", "1,2,3,inf", "1,2,0,4", "1,2,3,-4"])
def test_parse_box_refuses(text):
    with pytest.raises(ValueError, match="box must"):
        parse_box(text)


@pytest.fixture
def alpha():
    alpha = np.zeros((100, 200), np.float32)
    alpha[40:80, 50:150] = 0.5
    return alpha


@pytest.mark.parametrize(
    ("margin", "rows", "columns"),
    [(0, (40, 80), (50, 150)), (10, (36, 84), (40, 160)), (100, (0, 100), (0, 200)), (2.5, (39, 81), (48, 152))],
)
def test_the_margin_is_a_share_of_the_person_and_stays_in_the_picture(alpha, margin, rows, columns):
    assert person_window(alpha, margin) == (slice(*rows), slice(*columns))


def test_what_cannot_be_seen_does_not_count(alpha):
    alpha[5, 5] = 3 / 255
    assert person_window(alpha) == (slice(40, 80), slice(50, 150))


def test_nobody_is_nowhere():
    assert person_window(np.zeros((5, 5), np.float32), 10) is None


def test_a_margin_below_0_is_refused(alpha):
    with pytest.raises(ValueError, match="at least 0 percent, got -1"):
        person_window(alpha, -1)


@pytest.mark.parametrize("size", [(400, 400), (3000, 2000)])
@pytest.mark.parametrize(("share", "found"), [(0.0, False), (0.003, False), (0.007, True), (0.5, True)])
def test_somebody_is_a_connected_area_of_half_a_percent(size, share, found):
    alpha = np.zeros(size, np.float32)
    side = round((share * alpha.size) ** 0.5)
    alpha[40 : 40 + side, 30 : 30 + side] = 0.9
    assert has_person(alpha) == found
    assert not has_person(alpha / 2)


def test_islands_are_nobody_however_many():
    alpha = np.zeros((400, 400), np.float64)
    for row in range(0, 400, 40):
        alpha[row : row + 20, ::40] = alpha[row : row + 20, 1::40] = 1
    assert alpha.mean() > 0.02
    assert not has_person(alpha)
