import pytest
import torch

from training.trimaps import dilate, odd_unknown, trimap


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
