import cv2
import numpy as np
import pytest
import torch
from skimage import data

from training.blur import blur
from training.photography import Dice, defocus, degrade, jpeg, recolor, relight


def pictures(count=4, size=64):
    astronaut = cv2.resize(data.astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(astronaut).permute(2, 0, 1).unsqueeze(0).float().div(255).repeat(count, 1, 1, 1)


def dice(count=4, seed=0):
    return Dice(torch.Generator().manual_seed(seed), count)


def test_blur_is_the_gaussian():
    x = torch.zeros(2, 1, 61, 61)
    x[..., 30, 30] = 1
    result = blur(x, torch.tensor([1.5, 4.0]))
    for picture, sigma in zip(result, (1.5, 4.0), strict=True):
        kernel = cv2.getGaussianKernel(61, sigma)
        np.testing.assert_allclose(picture[0].numpy(), kernel @ kernel.T, atol=2e-5)
    assert torch.allclose(blur(torch.full((1, 3, 20, 30), 0.4), 3.0), torch.full((1, 3, 20, 30), 0.4), atol=1e-5)


@pytest.mark.parametrize("change", [recolor, degrade, lambda x, d: defocus(x, d, 0.5)])
def test_changes_keep_shape_and_range_and_depend_on_the_seed_alone(change):
    x = pictures()
    before = x.clone()
    one, two, other = change(x, dice()), change(x, dice()), change(x, dice(seed=1))
    assert torch.equal(x, before)
    assert one.shape == x.shape
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_jpeg_is_close_to_a_codec(quality):
    x = pictures(1, 128)
    ours = jpeg(x, torch.full((1, 1, 1, 1), float(quality)))[0].permute(1, 2, 0).numpy()
    image = (x[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    _, code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    theirs = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1] / 255
    loss = np.abs(theirs - image / 255).mean()
    assert np.abs(ours - theirs).mean() < 0.5 * loss + 0.002
    assert np.abs(ours - image / 255).mean() == pytest.approx(loss, rel=0.35)


def test_jpeg_takes_any_size_and_every_picture_s_own_quality():
    x = pictures(3, 64)[..., :50, :37]
    result = jpeg(x, torch.tensor([30.0, 60.0, 95.0]).view(3, 1, 1, 1))
    errors = (result - x).abs().mean((1, 2, 3))
    assert result.shape == x.shape
    assert result.dtype == x.dtype
    assert errors[0] > errors[1] > errors[2] > 0
    assert jpeg(x[:0], torch.ones(0, 1, 1, 1)).shape == (0, 3, 50, 37)


def test_light_makes_silhouettes_and_people_like_their_backdrop():
    count = 200
    person, backdrop = torch.full((count, 3, 8, 8), 0.6), torch.full((count, 3, 8, 8), 0.5)
    backdrop[:, 0] = 0.1
    lit, behind = relight(person, backdrop, dice(count))
    means, others = lit.mean((1, 2, 3)), behind.mean((1, 2, 3))
    dark = means < 0.25
    assert (dark & (others > 0.35)).any()  # silhouettes
    assert (dark & (others < 0.25)).any()  # dark on dark
    assert ((means > 0.7) & (others > 0.55)).any()  # pale on pale
    colors = (lit.mean((2, 3)) - behind.mean((2, 3))).abs().amax(1)
    assert (colors < 0.1).float().mean() > 0.03
    assert (lit.std((2, 3)).amax(1) > 0.05).float().mean() > 0.1  # from one side
    assert lit.min() >= 0
    assert behind.max() <= 1
