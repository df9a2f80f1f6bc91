"""A small part of the person that the global pass calls background comes back, if the local alpha sees it."""

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.lost_parts import doubtful_background, regain
from infer_p3m_portrait_matting.p3m.model.network import BACKGROUND, FOREGROUND, UNKNOWN
from infer_p3m_portrait_matting.p3m.model.registry import get_variant

#: Rows and columns of a part of 80 pixels that touches the person, whose area is 1024 pixels of foreground.
PART = (slice(20, 28), slice(48, 58))
LIMIT = 80 / 1024


@pytest.fixture
def passes():
    """Classes, doubtful background and local alpha, four times as fine: a person without the part."""
    classes = torch.full((1, 1, 64, 96), BACKGROUND)
    classes[..., 16:48, 16:48] = FOREGROUND
    doubtful = torch.zeros(1, 1, 64, 96, dtype=torch.bool)
    doubtful[0, 0][PART] = True
    local = torch.zeros(1, 1, 256, 384)
    local[..., 64:192, 64:192] = 1
    local[..., 80:112, 192:232] = 1
    return classes, doubtful, local


def regained(classes, doubtful, local, largest=LIMIT):
    """What :func:`regain` calls unknown, bool [64, 96]; the rest must stay as it is."""
    before = classes.clone()
    after = regain(classes, doubtful, local, largest)
    assert torch.equal(classes, before)
    changed = (after != before)[0, 0]
    assert (after[0, 0][changed] == UNKNOWN).all()
    assert (before[0, 0][changed] == BACKGROUND).all()
    return changed


def test_a_small_part_that_touches_the_person_becomes_unknown(passes):
    found = regained(*passes)
    assert found[PART].all()
    assert found.sum() == 80


def test_the_person_may_be_unknown_where_the_part_touches(passes):
    classes, doubtful, local = passes
    classes[..., 46:48] = torch.where(classes[..., 46:48] == FOREGROUND, UNKNOWN, BACKGROUND)
    # Half of the unknown counts as the person's: 960 + 32 pixels.
    assert regained(classes, doubtful, local, 80 / 992).sum() == 80
    assert not regained(classes, doubtful, local, 79.9 / 992).any()


def test_a_part_that_is_too_large_stays_background(passes):
    assert not regained(*passes, largest=LIMIT * 0.999).any()


def test_a_part_away_from_the_person_stays_background(passes):
    classes, doubtful, local = passes
    doubtful[..., 48] = False
    assert not regained(classes, doubtful, local, 1.0).any()


def test_touching_at_a_corner_is_enough(passes):
    classes, doubtful, local = passes
    classes[..., 20:29, 46:48] = BACKGROUND
    classes[..., 28, 47] = FOREGROUND
    assert regained(classes, doubtful, local, 1.0).sum() == 80


def test_background_beyond_doubt_stays_whatever_the_local_alpha_sees(passes):
    classes, doubtful, local = passes
    assert not regained(classes, torch.zeros_like(doubtful), torch.ones_like(local), 1.0).any()


@pytest.mark.parametrize(("alpha", "count"), [(0.49, 0), (0.51, 80)])
def test_the_local_alpha_must_show_the_person(passes, alpha, count):
    classes, doubtful, local = passes
    assert regained(classes, doubtful, local * alpha).sum() == count


def test_what_the_local_pass_did_not_compute_has_no_influence(passes):
    classes, doubtful, local = passes
    fine = doubtful.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(regained(classes, doubtful, torch.where(fine, local, 1.0)), regained(*passes))


@pytest.mark.parametrize(("probability", "expected"), [(0.89, True), (0.91, False)])
def test_background_below_nine_tenths_is_doubtful(probability, expected):
    logits = torch.tensor([probability, 0.06, 0.94 - probability]).log().view(1, 3, 1, 1).repeat(1, 1, 16, 16) + 3
    classes = logits.argmax(1, keepdim=True)
    assert (doubtful_background(logits, classes) == expected).all()
    # A pixel that a threshold made unknown is no background.
    assert not doubtful_background(logits, torch.full_like(classes, UNKNOWN)).any()


def test_thin_doubt_does_not_count():
    logits = torch.zeros(2, 3, 64, 96)
    logits[:, BACKGROUND] = 9
    logits[0, UNKNOWN, 10:16, :] = logits[0, UNKNOWN, 30:37, 20:27] = logits[1, UNKNOWN, 40:60] = 8
    found = doubtful_background(logits, logits.argmax(1, keepdim=True))
    assert not found[0, :, :25].any()
    assert found[0, 0, 33, 23]
    assert not found[0, 0, :, :20].any()
    assert found[1, 0, 40:60].all()


def drawn(session, photo, monkeypatch):
    """Matte a photo whose global pass loses a part, and whose local alpha is 1 on the right of the person too."""
    logits = torch.zeros(1, 3, 64, 96)
    logits[:, BACKGROUND] = 9
    logits[:, FOREGROUND, 16:48, 16:48] = 18
    logits[0, UNKNOWN][PART] = 8
    seen = []

    def local_alpha(x, wanted=None):
        alpha = torch.full((1, 1, *x.shape[2:]), 0.75)
        if wanted is not None:
            seen.append(wanted)
            fine = torch.nn.functional.interpolate(wanted.float(), x.shape[2:]) > 0
            alpha = torch.where(fine, alpha, 0.0)
        return alpha

    monkeypatch.setattr(session.model, "segment", lambda x: logits)
    monkeypatch.setattr(session.model, "local_alpha", local_alpha)
    return session.matte(photo, input_size=192), seen


def test_the_matte_shows_the_part_and_the_published_rule_does_not(monkeypatch):
    photo = np.zeros((128, 192, 3), np.uint8)
    matte, seen = drawn(PortraitMatting("mobile", largest_regained=LIMIT), photo, monkeypatch)
    assert (matte[46:50, 97:115] == 0.75).all()
    assert seen[0][0, 0][PART].all()
    published, seen = drawn(PortraitMatting("mobile", largest_regained=0), photo, monkeypatch)
    assert not published[41:47, 100:115].any()
    assert not seen[0][..., 52:].any()


def test_the_published_networks_regain_nothing():
    assert get_variant("mobile").largest_regained > 0
    assert get_variant("resnet34").largest_regained == get_variant("vitae-s").largest_regained == 0
