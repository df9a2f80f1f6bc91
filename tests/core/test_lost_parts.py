"""Parts of a person that the local alpha loses come back from a coarser pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.p3m.inference.fusion import fuse_passes
from infer_p3m_portrait_matting.p3m.inference.lost_parts import loses_parts, take_back
from infer_p3m_portrait_matting.p3m.model.channels import BACKGROUND, FOREGROUND, UNKNOWN
from infer_p3m_portrait_matting.p3m.model.registry import get_variant

#: An arm that the local alpha loses: it lies in the unknown area and touches the body along its left side.
ARM = (slice(20, 44), slice(48, 64))
#: A thing in the unknown area that touches no foreground.
THING = (slice(2, 14), slice(70, 90))


@pytest.fixture
def photo():
    """Classes [64, 96], and a local and a coarse alpha, of a person whose arm only the coarse alpha sees."""
    classes = np.full((64, 96), BACKGROUND, np.uint8)
    classes[12:52, 12:52] = UNKNOWN
    classes[16:48, 16:48] = FOREGROUND
    classes[16:48, 48:70] = UNKNOWN
    classes[THING] = UNKNOWN
    local = np.zeros((256, 384), np.float32)
    local[56:200, 56:192] = 1
    coarse = np.zeros((64, 96), np.float32)
    coarse[14:50, 14:48] = coarse[ARM] = coarse[THING] = 1
    return classes, local, coarse


def test_a_background_beside_foreground_is_suspicious(photo):
    classes, local, _ = photo
    assert loses_parts(classes, local)
    whole = local.copy()
    whole[64:192, 192:208] = 1
    assert not loses_parts(classes, whole)


def test_a_photo_without_foreground_has_no_lost_parts(photo):
    classes, local, _ = photo
    assert not loses_parts(np.where(classes == FOREGROUND, UNKNOWN, classes).astype(np.uint8), local)


def test_an_arm_comes_back_and_a_thing_does_not(photo):
    classes, local, coarse = photo
    before = local.copy()
    alpha = take_back(classes, local, coarse)
    assert np.array_equal(local, before)
    assert (alpha[90:166, 200:246] == 1).all()
    assert not alpha[:60, 270:].any()
    assert (alpha[64:192, 64:192] == 1).all()
    assert not alpha[230:].any()


def test_no_seam_is_left_between_a_part_and_the_body(photo):
    classes, local, coarse = photo
    local[64:192, 188:] = 0
    coarse[16:48, 44:48] = 1
    matte = fuse_passes(classes, take_back(classes, local, coarse), 256, 384)
    assert (matte[90:166, 100:246] > 0.99).all()


def test_a_thin_difference_stays(photo):
    classes, local, coarse = photo
    coarse[ARM] = 0
    coarse[20:44, 48:52] = 1
    assert take_back(classes, local, coarse) is local


@pytest.mark.parametrize("second_look", [(0.02, 0.01), (0.0, 0.0)])
def test_the_matte_has_the_arm_only_where_the_rules_of_the_network_allow_it(monkeypatch, photo, second_look):
    classes, local, coarse = photo
    logits = 9 * np.eye(3, dtype=np.float32)[classes].transpose(2, 0, 1)[None]
    alphas = {(128, 192): np.kron(coarse, np.ones((2, 2), np.float32)), (256, 384): local}
    asked = []

    def local_alpha(x, wanted=None):
        asked.append(tuple(x.shape[2:]))
        return torch.from_numpy(alphas[asked[-1]][None, None].copy())

    variant = replace(get_variant("mobile"), global_bound=192, second_look=second_look)
    session = PortraitMatting(variant, "cpu", runtime="torch")
    monkeypatch.setattr(session.model, "segment", lambda x: torch.from_numpy(logits))
    monkeypatch.setattr(session.model, "local_alpha", local_alpha)
    matte = session.matte(np.zeros((256, 384, 3), np.uint8), input_size=384)
    assert asked == [(256, 384), (128, 192)] if any(second_look) else [(256, 384)]
    assert (matte[90:166, 200:246] == (1 if any(second_look) else 0)).all()
