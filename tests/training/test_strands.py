import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.strands import Style, add_strands, render

PLAIN = Style(
    count=150,
    lock=4,
    length=0.2,
    width=1.6,
    spread=0.4,
    flow=0.5,
    bend=1.0,
    wave=0.3,
    waves=2.0,
    flyaways=0.1,
    recede=0.0,
    gaps=0.0,
    light=0.0,
    rim=0.0,
    blur=0.0,
    radius=0.6,
    stream=math.pi / 2,
)


def curves(seed=0, count=40, size=64):
    """Bent lines across a picture, some of them leaving it."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 16)
    start, angle, bend = rng.uniform(0, size, (count, 2)), rng.uniform(0, 6.3, count), rng.normal(0, 1, count)
    direction = angle[:, None] + bend[:, None] * t
    step = rng.uniform(0.5, 2.5, count)[:, None]
    points = start[:, None] + np.cumsum(np.stack([np.sin(direction) * step, np.cos(direction) * step], 2), 1)
    radii = torch.from_numpy(rng.uniform(0.3, 1.2, count)).float()
    return torch.from_numpy(points).float(), radii, torch.zeros(count, dtype=torch.long)


def test_alpha_is_that_of_a_finer_render():
    points, radii, sample = curves()
    _, alpha = render(points, radii, None, sample, (1, 1, 64, 64))
    _, fine = render(points, radii, None, sample, (1, 1, 64, 64), samples=16)
    assert alpha.shape == (1, 1, 64, 64)
    assert 0.05 < fine.mean() < 0.9
    assert (alpha - fine).abs().mean() < 0.01
    assert (alpha - fine).abs().max() < 0.3
    assert abs(alpha.mean() - fine.mean()) < 0.005


def test_a_straight_strand_covers_its_own_area():
    rows = torch.linspace(10, 50, 9)
    points = torch.stack([rows, torch.full_like(rows, 30.0)], 1).unsqueeze(0)
    _, alpha = render(points, torch.tensor([1.5]), None, torch.zeros(1, dtype=torch.long), (1, 1, 64, 64))
    # It is 40 px long and narrows from 3 px to 0.35 of that.
    assert alpha.sum().item() == pytest.approx(40 * 3 * (1 + 0.35) / 2, rel=0.06)
    assert alpha[0, 0, 12, 30] == 1
    assert alpha[0, 0, 30, 40] == 0


def test_each_strand_lies_on_its_own_picture_and_later_ones_on_top():
    points, radii = curves(count=1)[0].repeat(3, 1, 1), torch.full((3,), 1.0)
    paint = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    color, alpha = render(points, radii, paint, torch.tensor([0, 1, 1]), (2, 1, 64, 64))
    assert torch.equal(alpha[0], alpha[1])
    assert alpha.sum() > 0
    assert torch.allclose(color[0, 0], alpha[0, 0], atol=1e-4)
    assert torch.allclose(color[1, 2], alpha[1, 0], atol=1e-4)
    assert color[0, 1:].max() == color[1, :2].max() == 0


def test_no_strands_are_no_error():
    none = torch.zeros(0)
    color, alpha = render(none.view(0, 16, 2), none, none.view(0, 4), none.long(), (2, 1, 32, 32))
    assert color.shape == (2, 3, 32, 32)
    assert alpha.shape == (2, 1, 32, 32)
    assert alpha.max() == color.max() == 0


def head(size=128):
    """A disc of a head: hair of one colour above, skin of another below."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    radius = ((y - 0.6 * size).square() + (x - 0.5 * size).square()).sqrt()
    alpha = ((0.3 * size - radius) + 0.5).clamp(0, 1)[None, None]
    top = (y < 0.5 * size).float()[None, None]
    hair, skin = torch.tensor([0.3, 0.15, 0.05]), torch.tensor([0.9, 0.7, 0.6])
    foreground = top * hair.view(1, 3, 1, 1) + (1 - top) * skin.view(1, 3, 1, 1)
    return foreground, alpha, top * alpha, hair, skin


def test_strands_take_root_in_hair_and_have_its_colour():
    foreground, alpha, hair, color, skin = head()
    new, drawn = add_strands(foreground, alpha, hair, [PLAIN], np.random.default_rng(0))
    outside = (alpha == 0) & (drawn > 0.5)
    assert outside.sum() > 100
    strands = new[0][:, outside[0, 0]].T
    to_hair, to_skin = ((strands - c).norm(dim=1) for c in (color, skin))
    assert (to_hair < to_skin).float().mean() > 0.97
    assert to_hair.median() < 0.02
    # Nothing grows far below the hair.
    assert drawn[..., int(0.95 * 128) :, :].max() == 0


def test_strands_only_add_unless_the_outline_recedes():
    foreground, alpha, hair, *_ = head()
    _, drawn = add_strands(foreground, alpha, hair, [PLAIN], np.random.default_rng(1))
    assert (drawn >= alpha - 1e-5).all()
    receding = Style(**{**PLAIN.__dict__, "recede": 0.03, "gaps": 0.4})
    _, drawn = add_strands(foreground, alpha, hair, [receding], np.random.default_rng(1))
    assert ((alpha > 0.99) & (drawn < 0.5)).any()
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_without_hair_a_sample_stays_as_it_is():
    foreground, alpha, hair, *_ = head()
    pair = torch.cat([hair, torch.zeros_like(hair)])
    rng = np.random.default_rng(2)
    new, drawn = add_strands(foreground.repeat(2, 1, 1, 1), alpha.repeat(2, 1, 1, 1), pair, [PLAIN, PLAIN], rng)
    assert not torch.equal(drawn[0], alpha[0])
    assert torch.equal(drawn[1], alpha[0])
    assert torch.equal(new[1], foreground[0])


def test_strands_depend_on_the_seed_alone():
    foreground, alpha, hair, *_ = head()
    styles = [Style.draw(np.random.default_rng(3)) for _ in range(2)]
    assert styles[0] == styles[1]
    one, two, other = (
        add_strands(foreground, alpha, hair, styles[:1], np.random.default_rng(seed))[1] for seed in (4, 4, 5)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_styles_differ():
    styles = [Style.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(styles)) == 200
    assert any(s.wave > 1.5 for s in styles)  # curls
    assert any(s.blur > 0 for s in styles)
    assert any(s.blur == 0 for s in styles)
    assert all(20 <= s.count <= 1100 and 0.5 <= s.width <= 2.8 for s in styles)


def test_out_of_focus_strands_are_soft():
    foreground, alpha, hair, *_ = head()
    sharp, soft = (
        add_strands(foreground, alpha, hair, [Style(**{**PLAIN.__dict__, "blur": sigma})], np.random.default_rng(6))[1]
        for sigma in (0.0, 2.0)
    )

    def roughness(x):
        return (x - F.avg_pool2d(x, 3, 1, 1)).abs().mean()

    assert roughness(soft) < 0.6 * roughness(sharp)
