"""Resizing and normalising tensors."""

import pytest
import torch

from infer_p3m_portrait_matting.p3m import normalize
from infer_p3m_portrait_matting.p3m.inference.preprocess import IMAGENET_MEAN, IMAGENET_STD, resize


def test_the_imagenet_statistics_become_mean_0_and_deviation_1():
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    x = torch.cat([mean, mean + std, mean - 2 * std]).expand(-1, -1, 2, 5)
    before = x.clone()
    out = normalize(x)
    assert out.shape == (3, 3, 2, 5)
    assert torch.equal(x, before)
    for image, value in zip(out, (0.0, 1.0, -2.0), strict=True):
        torch.testing.assert_close(image, torch.full((3, 2, 5), value), rtol=0, atol=1e-5)


def test_normalising_keeps_double_precision():
    assert normalize(torch.rand(1, 3, 4, 4, dtype=torch.float64)).dtype == torch.float64


def test_an_image_of_the_wanted_size_is_given_back_itself():
    x = torch.rand(1, 3, 20, 30)
    assert resize(x, 20, 30) is x


@pytest.mark.parametrize(("height", "width"), [(5, 30), (40, 7), (1, 1), (64, 96)])
def test_constant_images_stay_constant_at_every_size(height, width):
    out = resize(torch.full((2, 3, 20, 30), 0.25), height, width)
    assert out.shape == (2, 3, height, width)
    torch.testing.assert_close(out, torch.full_like(out, 0.25))


def test_shrinking_averages_what_it_leaves_out():
    # Stripes one pixel wide: without anti-aliasing they would become black or white, not grey.
    x = (torch.arange(64) % 2).float().expand(1, 1, 8, 64)
    out = resize(x, 8, 8)
    torch.testing.assert_close(out, torch.full_like(out, 0.5), rtol=0, atol=0.02)
