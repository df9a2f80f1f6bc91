"""Resizing and normalising pictures."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import normalize
from infer_p3m_portrait_matting.p3m.inference.preprocess import network_input
from infer_p3m_portrait_matting.p3m.inference.scaling import resize, resized_rows
from infer_p3m_portrait_matting.p3m.model.channels import IMAGENET_MEAN, IMAGENET_STD


def test_the_imagenet_statistics_become_mean_0_and_deviation_1():
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    x = torch.cat([mean, mean + std, mean - 2 * std]).expand(-1, -1, 2, 5)
    before = x.clone()
    out = normalize(x)
    assert out.shape == (3, 3, 2, 5)
    assert torch.equal(x, before)
    for image, value in zip(out, (0.0, 1.0, -2.0), strict=True):
        torch.testing.assert_close(image, torch.full((3, 2, 5), value), rtol=0, atol=1e-5)
    photos = [(picture.permute(1, 2, 0) * 65535).round().numpy().astype(np.uint16) for picture in x]
    found = network_input(photos, 2, 5)
    np.testing.assert_allclose(found[:2], out[:2], rtol=0, atol=1e-4)
    assert torch.from_numpy(found).is_contiguous(memory_format=torch.channels_last)


def test_normalising_keeps_double_precision():
    assert normalize(torch.rand(1, 3, 4, 4, dtype=torch.float64)).dtype == torch.float64


def test_an_image_of_the_wanted_size_is_given_back_itself():
    x = np.random.default_rng(0).random((20, 30), np.float32)
    assert np.shares_memory(resize(x, 20, 30), x)
    assert np.array_equal(resize(x, 20, 30), x)


@pytest.mark.parametrize(("height", "width"), [(5, 30), (40, 7), (1, 1), (64, 96)])
def test_constant_images_stay_constant_at_every_size(height, width):
    out = resize(np.full((20, 30, 3), 0.25, np.float32), height, width)
    assert out.shape == (height, width, 3)
    np.testing.assert_allclose(out, 0.25, rtol=0, atol=1e-6)


def test_shrinking_averages_what_it_leaves_out():
    # Stripes one pixel wide: without anti-aliasing they would become black or white, not grey.
    x = np.broadcast_to(np.arange(64, dtype=np.float32) % 2, (8, 64))
    np.testing.assert_allclose(resize(x, 8, 8), 0.5, rtol=0, atol=0.02)


@pytest.mark.parametrize("size", [(96, 64), (37, 200), (1000, 31), (1, 700), (700, 2), (2, 3), (517, 389)])
@pytest.mark.parametrize("dtype", [np.uint8, ">u2", np.float32, np.float64])
def test_a_resized_picture_is_that_of_pytorch(dtype, size):
    dice = np.random.default_rng(1)
    x = dice.random((113, 257, 3))
    whole = 1
    if np.dtype(dtype).kind == "u":
        whole = np.iinfo(dtype).max
        x = (x * whole).round()
    x = x.astype(dtype)[::-1]
    planes = torch.from_numpy(np.ascontiguousarray(x, np.float64)).permute(2, 0, 1)[None] / whole
    expected = F.interpolate(planes, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    found = resize(x, *size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(resize(x[..., 1], *size), expected[..., 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("height", [40, 113, 700])
def test_some_rows_are_those_of_the_whole(height):
    x = np.random.default_rng(2).random((113, 50), np.float32)
    whole = resized_rows(x, height)
    for part in (slice(0, 1), slice(5, 39), slice(height - 7, height)):
        np.testing.assert_allclose(resized_rows(x, height, part), whole[part], rtol=0, atol=1e-6)
