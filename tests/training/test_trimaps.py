import pytest
import torch

from training.trimaps import (
    dilate,
    narrow_at_bodies,
    near_outline,
    odd_unknown,
    predicted_unknown,
    thin_parts,
    trimap,
)


@pytest.mark.parametrize("radius", [0, 4, 10, 24])
def test_masks_grow_by_their_radius(radius):
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 64:66, 64:66] = 1
    grown = dilate(mask, torch.tensor([radius]))
    assert set(grown.unique().tolist()) <= {0.0, 1.0}
    rows, columns = (grown[0, 0].amax(d).nonzero()[:, 0] for d in (1, 0))
    for places in (rows, columns):
        assert abs((places[-1] - places[0] + 1 - 2) / 2 - radius) <= 2
    # Close to a disc: not the square's corners.
    if radius:
        assert 0.75 < grown.sum() / (torch.pi * (radius + 1) ** 2) < 1.35


def test_each_sample_grows_by_its_own_radius():
    mask = torch.zeros(2, 1, 64, 64)
    mask[..., 32:34, 32:34] = 1
    both = dilate(mask, torch.tensor([4, 12]))
    assert torch.equal(both[:1], dilate(mask[:1], torch.tensor([4])))
    assert torch.equal(both[1:], dilate(mask[1:], torch.tensor([12])))


def test_partial_and_thin_things_are_unknown_as_a_whole():
    alpha = torch.zeros(1, 1, 128, 128)
    alpha[..., 30:, 20:108] = 1
    alpha[..., 10:30, 60:62] = 1  # a strand
    alpha[..., 80:, 60:66] = 0  # a gap between fingers
    alpha[..., 50:60, 40:50] = 0.5
    classes = trimap(alpha, torch.tensor([8]))[0]
    assert classes.dtype == torch.int64
    assert (classes[10:30, 60:62] == 1).all()
    assert (classes[90:, 60:66] == 1).all()
    assert (classes[50:60, 40:50] == 1).all()
    assert classes[70, 30] == 2
    assert classes[5, 5] == 0
    assert (alpha[0, 0][classes == 0] == 0).all()
    assert (alpha[0, 0][classes == 2] == 1).all()


def test_odd_unknown_areas_reach_into_body_and_background():
    classes = torch.zeros(8, 128, 128, dtype=torch.int64)
    classes[:, :, 64:] = 2
    odd = odd_unknown(classes, 1.0, torch.Generator().manual_seed(0))
    assert ((odd != classes) <= (odd == 1)).all()
    assert (odd[classes == 0] == 1).float().mean() > 0.02
    assert (odd[classes == 2] == 1).float().mean() > 0.02
    assert torch.equal(odd_unknown(classes, 0.0, torch.Generator().manual_seed(0)), classes)


def body_with_strands():
    """A body with a limb of 12 px and a gap of 8 px below a comb of strands, float [1, 1, 160, 160]."""
    alpha = torch.zeros(1, 1, 160, 160)
    alpha[..., 60:160, 40:120] = 1
    alpha[..., 100:112, 120:156] = 1  # a limb
    alpha[..., 110:160, 76:84] = 0  # a gap
    alpha[..., 20:60, 50:110:2] = 0.5  # strands
    return alpha


def test_the_unknown_area_is_narrow_at_bodies_and_wide_at_hair():
    alpha = body_with_strands()
    wide = trimap(alpha, torch.tensor([14]))
    narrow = narrow_at_bodies(wide, alpha, torch.zeros_like(alpha), torch.tensor([4]))
    assert torch.equal(narrow[0, 10:50, 45:115], wide[0, 10:50, 45:115])
    assert wide[0, 106, 140] == 1  # the wide band swallows the limb and the gap
    assert narrow[0, 106, 140] == 2
    assert wide[0, 150, 80] == 1
    assert (narrow == 1).sum() < 0.75 * (wide == 1).sum()
    assert (alpha[0, 0][narrow[0] == 0] == 0).all()
    assert (alpha[0, 0][narrow[0] == 2] == 1).all()
    as_hair = narrow_at_bodies(wide, alpha, torch.ones_like(alpha), torch.tensor([4]))
    assert as_hair[0, 106, 140] == 1


def test_limbs_and_gaps_are_thin_and_the_body_is_not():
    alpha = body_with_strands()
    alpha[..., 20:60, :] = 0
    thin = thin_parts(alpha, 8)[0, 0]
    assert thin[106, 150] == 1
    assert thin[150, 80] == 1
    assert thin[80, 60] == 0
    assert thin[30, 20] == 0


def test_the_outline_is_near_whether_soft_or_hard():
    alpha = torch.zeros(1, 1, 96, 96)
    alpha[..., 48:] = 1
    near = near_outline(alpha, 10)[0, 0, 40]
    assert near[[40, 47, 48, 56]].tolist() == [1, 1, 1, 1]
    assert near[[30, 66]].tolist() == [0, 0]
    assert near_outline(torch.ones(1, 1, 32, 32), 10).sum() == 0


def test_what_a_global_pass_doubts_is_asked_of_the_local_alpha():
    logits = torch.zeros(1, 3, 2, 3)
    # Sure and doubtful background, unknown; sure and doubtful foreground, sure background.
    rows = (
        ((0.995, 0.004, 0.001), (0.6, 0.1, 0.3), (0.2, 0.6, 0.2)),
        (
            (0.01, 0.01, 0.98),
            (0.1, 0.2, 0.7),
            (0.999, 0.0005, 0.0005),
        ),
    )
    logits[0] = torch.tensor(rows).log().permute(2, 0, 1)
    classes = predicted_unknown(logits, 4, 6)
    assert classes[0, ::2, ::2].tolist() == [[0, 1, 1], [2, 1, 0]]
    assert torch.equal(classes[:, ::2], classes[:, 1::2])
