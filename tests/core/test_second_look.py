"""Small mistakes of the global pass are corrected where the local alpha sees them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.inference.fusion import classify
from infer_p3m_portrait_matting.p3m.inference.second_look import SecondLook, doubtful, reconsider, without_islands
from infer_p3m_portrait_matting.p3m.model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from infer_p3m_portrait_matting.p3m.model.registry import get_variant, list_models

#: Rows and columns of a mistake of 80 pixels on the right of the outline of a square of 1024 pixels.
MISTAKE = (slice(20, 28), slice(48, 58))
LIMIT = 80 / 1024
#: Rows and columns of an unknown area that touches no foreground.
ISLAND = (slice(1, 9), slice(80, 90))


@pytest.fixture
def lost():
    """Classes, doubt and a local alpha four times as fine: a person's part is called background."""
    classes = np.full((64, 96), BACKGROUND, np.uint8)
    classes[16:48, 16:48] = FOREGROUND
    doubt = np.zeros((64, 96), bool)
    doubt[MISTAKE] = True
    local = np.zeros((256, 384), np.float32)
    local[64:192, 64:192] = 1
    local[80:112, 192:232] = 1
    return classes, doubt, local


def closed(lost):
    """The same with background and foreground exchanged: a gap of 80 pixels in a person of 5120 is closed."""
    classes, doubt, local = lost
    return FOREGROUND - classes, doubt, 1 - local


def corrected(classes, doubt, local, limits):
    """What becomes unknown, bool [64, 96]; the rest must stay as it is."""
    before = classes.copy()
    after = reconsider(classes, doubt, local, SecondLook(*limits))
    assert np.array_equal(classes, before)
    changed = after != before
    assert (after[changed] == UNKNOWN).all()
    return changed


def test_a_lost_part_becomes_unknown(lost):
    found = corrected(*lost, (LIMIT, 0))
    assert found[MISTAKE].all()
    assert found.sum() == 80


def test_a_closed_gap_becomes_unknown(lost):
    found = corrected(*closed(lost), (0, 80 / 5120))
    assert found[MISTAKE].all()
    assert found.sum() == 80


def test_each_limit_counts_for_its_own_mistakes(lost):
    assert not corrected(*lost, (0, 1)).any()
    assert not corrected(*closed(lost), (1, 0)).any()


def test_larger_mistakes_stay(lost):
    assert not corrected(*lost, (LIMIT * 0.999, 1)).any()
    assert not corrected(*closed(lost), (1, 79.9 / 5120)).any()


def test_half_of_the_unknown_area_counts_as_the_person(lost):
    classes, doubt, local = lost
    classes[:, 46:48] = np.where(classes[:, 46:48] == FOREGROUND, UNKNOWN, BACKGROUND)
    assert corrected(classes, doubt, local, (80 / 992, 0)).sum() == 80
    assert not corrected(classes, doubt, local, (79.9 / 992, 0)).any()


def test_what_lies_away_from_the_outline_stays(lost):
    classes, doubt, local = lost
    doubt[:, 48] = False
    assert not corrected(classes, doubt, local, (1, 1)).any()
    assert not corrected(*closed((classes, doubt, local)), (1, 1)).any()


def test_adjoining_at_a_corner_is_enough(lost):
    classes, doubt, local = lost
    classes[20:29, 46:48] = BACKGROUND
    classes[28, 47] = FOREGROUND
    assert corrected(classes, doubt, local, (1, 0)).sum() == 80


def test_what_is_beyond_doubt_stays_whatever_the_local_alpha_sees(lost):
    classes, doubt, local = lost
    for alpha in (np.zeros_like(local), np.ones_like(local)):
        assert reconsider(classes, np.zeros_like(doubt), alpha, SecondLook(1, 1)) is classes


@pytest.mark.parametrize(("alpha", "count"), [(0.49, 0), (0.51, 80)])
def test_the_local_alpha_must_show_the_person(lost, alpha, count):
    classes, doubt, local = lost
    assert corrected(classes, doubt, np.float32(local * alpha), (1, 0)).sum() == count


def test_what_the_local_pass_did_not_compute_has_no_influence(lost):
    classes, doubt, local = lost
    fine = doubt.repeat(4, 0).repeat(4, 1)
    expected = corrected(*lost, (LIMIT, 0))
    for elsewhere in (0.0, 1.0):
        found = corrected(classes, doubt, np.where(fine, local, np.float32(elsewhere)), (LIMIT, 0))
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("known", "probability", "expected"),
    [
        (BACKGROUND, 0.89, True),
        (BACKGROUND, 0.91, False),
        (FOREGROUND, 0.79, True),
        (FOREGROUND, 0.81, False),
        (UNKNOWN, 0.4, False),
    ],
)
def test_doubt_is_a_low_probability_of_a_known_class(known, probability, expected):
    logits = np.full((3, 16, 16), (1 - probability) / 2)
    logits[known] = probability
    assert (doubtful(np.log(logits) + 3, np.full((16, 16), known, np.uint8)) == expected).all()


def test_thin_doubt_does_not_count():
    logits = np.zeros((2, 3, 64, 96), np.float32)
    logits[:, BACKGROUND] = 9
    logits[0, UNKNOWN, 10:16] = logits[0, UNKNOWN, 30:37, 20:27] = logits[1, UNKNOWN, 40:60] = 8
    found = [doubtful(each, classify(each)) for each in logits]
    assert not found[0][:25].any()
    assert found[0][33, 23]
    assert not found[0][:, :20].any()
    assert found[1][40:60].all()


def hybrid(monkeypatch, **options):
    """Matte a photo whose global pass loses a part; the local alpha is 0.75 wherever it is computed."""
    logits = torch.zeros(1, 3, 64, 96)
    logits[:, BACKGROUND] = 9
    logits[:, FOREGROUND, 16:48, 16:48] = 18
    logits[0, UNKNOWN][MISTAKE] = 8
    logits[0, UNKNOWN][ISLAND] = 20
    seen = []

    def local_alpha(x, wanted):
        seen.append(wanted[0, 0])
        return 0.75 * F.interpolate(wanted.float(), x.shape[2:])

    session = PortraitMatting(replace(get_variant("mobile"), **options), "cpu", runtime="torch")
    monkeypatch.setattr(session.model, "segment", lambda x: logits)
    monkeypatch.setattr(session.model, "local_alpha", local_alpha)
    return session.matte(np.zeros((128, 192, 3), np.uint8), input_size=192), seen[0]


def test_the_matte_shows_a_lost_part(monkeypatch):
    matte, wanted = hybrid(monkeypatch, second_look=(LIMIT, 0))
    assert (matte[41:55, 97:115] == 0.75).all()
    assert wanted[MISTAKE].all()
    assert not matte[:24, 140:].any()  # the island


def test_without_a_second_look_the_matte_is_the_published_one(monkeypatch):
    matte, wanted = hybrid(monkeypatch, second_look=(0, 0))
    assert not matte[32:, 99:].any()
    assert not wanted[16:, 52:].any()
    assert (matte[5:15, 165:175] == 0.75).all()  # the island


def test_the_published_networks_take_no_second_look():
    assert [name for name in list_models() if any(get_variant(name).second_look)] == ["mobile"]


@pytest.mark.parametrize("core", [0, 2])
def test_islands_become_background(core):
    classes = np.full((2, 40, 60), BACKGROUND, np.uint8)
    classes[:, 10:30, 10:30] = UNKNOWN
    classes[0, 15:25, 15:25] = FOREGROUND
    classes[:, 5:9, 40:50] = UNKNOWN  # an island of 40 pixels
    classes[:, 5, 40 : 40 + core] = FOREGROUND
    classes[:, 30, 30] = UNKNOWN  # joined at a corner
    before = classes.copy()
    found = [without_islands(each) for each in classes]
    assert np.array_equal(classes, before)
    expected = before.copy()
    expected[0, 5:9, 40:50] = BACKGROUND
    # No area of the second picture has enough foreground to be a person.
    assert np.array_equal(found, expected)
    for each in expected:
        assert without_islands(each) is each


def test_a_small_person_with_little_foreground_stays():
    classes = np.full((40, 60), BACKGROUND, np.uint8)
    classes[10:30, 10:30] = FOREGROUND
    classes[5:9, 40:50] = UNKNOWN
    classes[5, 40:43] = FOREGROUND  # 3 of 40 pixels
    assert without_islands(classes) is classes
