"""The matting metrics against numbers of the published evaluation, and against what they mean."""

import json

import numpy as np
import pytest
from published_rule import GOLDEN

from infer_p3m_portrait_matting.p3m import score, trimap_of
from infer_p3m_portrait_matting.p3m.metrics import Scores, connectivity_error, gradient_error

WANTED = json.loads((GOLDEN / "metrics.json").read_text())


@pytest.fixture(scope="module")
def pairs():
    with np.load(GOLDEN / "metrics.npz") as file:
        arrays = dict(file)
    return {
        name: (arrays[f"{name}/pred"] / 255, arrays[f"{name}/alpha"] / 255, arrays[f"{name}/trimap"]) for name in WANTED
    }


@pytest.mark.parametrize("name", WANTED)
def test_scores_are_those_of_the_published_evaluation(pairs, name):
    got = {field.upper(): value for field, value in score(*pairs[name])._asdict().items()}
    assert got == pytest.approx(WANTED[name], rel=1e-3)


def test_a_matte_is_no_different_from_itself(pairs):
    _, true, trimap = pairs["pair0"]
    assert score(true, true, trimap) == pytest.approx(Scores(*[0] * len(Scores._fields)), abs=1e-9)


def test_a_lost_person_is_unconnected():
    true = np.zeros((64, 64), np.float32)
    true[16:48, 16:48] = 1
    assert connectivity_error(np.zeros_like(true), true) == pytest.approx(32 * 32 / 1000)
    # What is too faint at every place lacks that much connectedness, as it lacks that much alpha.
    assert connectivity_error(true * np.float32(0.7), true) == pytest.approx(0.3 * 32 * 32 / 1000, rel=1e-5)


def test_areas_add_up(pairs):
    scores = score(*pairs["pair1"])
    assert scores.sad_t + scores.sad_fg + scores.sad_bg == pytest.approx(scores.sad, rel=1e-6)


def test_nothing_unknown_is_no_division_by_zero():
    empty = np.zeros((8, 8), np.float32)
    scores = score(empty, empty, np.zeros((8, 8), np.uint8))
    assert (scores.mse_t, scores.mad_t) == (0, 0)


def test_the_trimap_of_a_matte_widens_its_edge():
    matte = np.zeros((100, 100), np.float32)
    matte[30:70, 30:70] = 1
    matte[29, 30:70] = 0.5
    trimap = trimap_of(matte, 11)
    assert trimap[50, 50] == 255
    assert trimap[10, 10] == 0
    # Five pixels on either side of where the matte is neither 0 nor 1.
    assert (trimap[:, 50] == 128).nonzero()[0].tolist() == [*range(24, 35), *range(65, 75)]


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        ((np.zeros((4, 4)), np.zeros((4, 5)), np.zeros((4, 4), np.uint8)), ValueError, "one size"),
        ((np.zeros((4, 4), np.uint8), np.zeros((4, 4)), np.zeros((4, 4), np.uint8)), TypeError, "divide 8 bits by 255"),
        ((np.full((4, 4), 2.0), np.zeros((4, 4)), np.zeros((4, 4), np.uint8)), ValueError, r"\[0, 1\], got \[2, 2\]"),
        ((np.full((4, 4), np.nan), np.zeros((4, 4)), np.zeros((4, 4), np.uint8)), ValueError, r"\[0, 1\], got \[nan"),
        ((np.zeros((4, 4)), np.zeros((4, 4)), np.full((4, 4), 7, np.uint8)), ValueError, "0, 128 and 255 alone"),
    ],
)
def test_bad_input_is_refused(arrays, error, words):
    with pytest.raises(error, match=words):
        score(*arrays)


MATTE = np.full((4, 4), 0.5)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        (np.full((4, 4), 255, np.uint8), TypeError, "divide 8 bits by 255"),
        (MATTE.tolist(), TypeError, "must be a numpy array, got list"),
        (MATTE * 510, ValueError, r"must lie in \[0, 1\], got \[255, 255\]"),
        (MATTE * np.nan, ValueError, r"got \[nan"),
        (MATTE[0], ValueError, r"must be \[H, W\]"),
        (MATTE[:0], ValueError, "not empty"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        trimap_of,
        lambda bad: gradient_error(bad, MATTE),
        lambda bad: gradient_error(MATTE, bad),
        lambda bad: connectivity_error(bad, MATTE),
        lambda bad: connectivity_error(MATTE, bad),
        lambda bad: score(bad, MATTE, np.zeros((4, 4), np.uint8)),
        lambda bad: score(MATTE, bad, np.zeros((4, 4), np.uint8)),
    ],
)
def test_what_is_no_matte_is_refused_everywhere(call, bad, error, words):
    with pytest.raises(error, match=words):
        call(bad)


@pytest.mark.parametrize("metric", [gradient_error, connectivity_error])
def test_mattes_of_two_sizes_are_not_compared(metric):
    with pytest.raises(ValueError, match="one size"):
        metric(MATTE, MATTE[:, :3])


@pytest.mark.parametrize(
    ("trimap", "error", "words"),
    [([[0]], TypeError, "numpy array, got list"), (np.zeros((4, 5), np.uint8), ValueError, "one size")],
)
def test_what_is_no_trimap_is_refused(trimap, error, words):
    with pytest.raises(error, match=words):
        score(MATTE, MATTE, trimap)
