import numpy as np
import pytest
import torch
from drawn import draw_portrait, sampler_of

from training.augment import Recipe, Sampler
from training.portraits import Portrait

EVERYTHING = Recipe(close_ups=0.5, strands=0.7, others=0.5, objects=1.0, empty=0.1, turned=0.5, relit=0.5, blobs=0.5)


@pytest.fixture(scope="module")
def portraits():
    return [draw_portrait(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def backgrounds():
    return {"drawn": [np.random.default_rng(9).integers(0, 256, (90, 140, 3), dtype=np.uint8)]}


@pytest.fixture(scope="module")
def sampler(portraits, backgrounds):
    return sampler_of(portraits, backgrounds)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 64), (64, 128)])
def test_samples_are_what_they_say(sampler, height, width):
    recipe = Recipe(close_ups=0.5, strands=0.5, others=0.5, unknown=(4, 9))
    batch = sampler.batch(recipe, 12, height, width, (0, height))
    assert batch.image.shape == (12, 3, height, width)
    assert batch.alpha.shape == batch.contrast.shape == (12, 1, height, width)
    assert batch.trimap.shape == (12, height, width)
    assert batch.trimap.dtype == torch.int64
    assert [x.dtype for x in (batch.image, batch.alpha, batch.contrast)] == [torch.float32] * 3
    assert all(x.min() >= 0 and x.max() <= 1 for x in (batch.image, batch.alpha, batch.contrast))
    alpha = batch.alpha[:, 0]
    assert (alpha[batch.trimap == 0] <= 8 / 255).all()
    assert (alpha[batch.trimap == 2] >= 247 / 255).all()
    assert (batch.trimap[(alpha > 8 / 255) & (alpha < 247 / 255)] == 1).all()
    assert (batch.alpha.amax((1, 2, 3)) > 0.99).sum() >= 8


def test_an_unknown_band_surrounds_the_edge_of_a_hard_matte(backgrounds):
    alpha = np.zeros((128, 128), np.uint8)
    alpha[32:96, 32:96] = 255
    plain = np.full((128, 128, 3), 90, np.uint8)
    sampler = sampler_of([Portrait("square", plain, plain, alpha)], backgrounds)
    batch = sampler.batch(Recipe(others=0.0, unknown=(16, 30)), 4, 128, 128, (3,))
    unknown = batch.trimap.unsqueeze(1) == 1
    assert ((batch.alpha > 0.97) & unknown).any()
    assert ((batch.alpha < 0.03) & unknown).any()


def test_batches_depend_on_the_seed_alone(sampler):
    first, again, other = (sampler.batch(EVERYTHING, 6, 64, 64, (seed, 7)) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.image, other.image)
    assert len({picture.numpy().tobytes() for picture in first.image}) == 6


def test_drawing_leaves_the_portraits_as_they_are(portraits, backgrounds):
    sampler = sampler_of(portraits, backgrounds)
    before = [level.clone() for portrait in sampler.portraits for level in portrait.levels]
    sampler.batch(EVERYTHING, 16, 64, 64, (1,))
    after = [level for portrait in sampler.portraits for level in portrait.levels]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_without_backgrounds_those_of_other_portraits_serve(portraits):
    batch = sampler_of(portraits).batch(Recipe(composites=1.0, objects=1.0), 8, 64, 64, (0,))
    assert batch.image.shape == (8, 3, 64, 64)
    assert batch.image.std() > 0


def test_without_portraits_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no portraits"):
        Sampler([], {})


def test_backgrounds_are_drawn_from_all_sources_alike(portraits):
    pictures = {
        source: [np.full((20, 30, 3), value, np.uint8)] * count
        for source, value, count in (("house", 40, 30), ("wall", 200, 3))
    }
    recipe = Recipe(composites=1.0, objects=0.0, empty=1.0, relit=0.0)
    batch = sampler_of(portraits, pictures).batch(recipe, 200, 32, 32, (0,))
    bright = (batch.image.mean((1, 2, 3)) > 120 / 255).float().mean()
    # A third of the pictures would be other portraits' backgrounds otherwise; 3 of 33 files would be 0.09.
    assert 0.3 < bright < 0.7


def test_samples_without_a_person_are_all_background(sampler):
    batch = sampler.batch(Recipe(empty=1.0, strands=0.0), 4, 64, 96, (0,))
    assert batch.image.std() > 0
    assert batch.alpha.max() == batch.trimap.max() == 0


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_close_ups_show_the_share_of_the_photo_that_was_asked_for(share):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    plain = np.full((256, 256, 3), 90, np.uint8)
    recipe = Recipe(close_ups=1.0, close_up=(share, share), composites=0.0, empty=0.0)
    batch = sampler_of([Portrait("ramp", plain, plain, ramp)]).batch(recipe, 6, 64, 64, (0,))
    for alpha in batch.alpha:
        # A little less where the window is made narrower than the sample.
        assert 0.85 * share - 0.02 < (alpha.max() - alpha.min()).item() <= share


def test_keyed_sources_are_drawn_as_often_as_asked_for():
    alpha = np.zeros((64, 64), np.uint8)
    alpha[16:48, 16:48] = 255
    colors = {"lon_001-03": (250, 10, 10), "ccp_1": (10, 250, 10), "ccp_2": (10, 250, 10), "ccp_3": (10, 250, 10)}
    people = [
        Portrait(name, np.full((64, 64, 3), color, np.uint8), np.full((64, 64, 3), 0, np.uint8), alpha)
        for name, color in colors.items()
    ]
    recipe = Recipe(composites=0.0, keyed=0.5, empty=0.0, objects=0.0)
    batch = sampler_of(people).batch(recipe, 120, 32, 32, (2,))
    inside = (batch.alpha == 1).float()
    red, green = ((batch.image[:, i : i + 1] * inside).sum((1, 2, 3)) for i in (0, 1))
    seen = inside.sum((1, 2, 3)) > 0
    assert 0.35 < (red > green)[seen].float().mean() < 0.65


def test_a_person_cut_off_by_the_frame_is_not_cut_off_inside_the_picture(portraits, backgrounds):
    # The drawn people reach their photo's lower edge: below them nothing may be seen.
    recipe = Recipe(composites=1.0, others=0.0, turned=0.0, empty=0.0, objects=0.0)
    batch = sampler_of(portraits, backgrounds).batch(recipe, 24, 96, 96, (4,))
    lowest = batch.alpha[:, 0, -1].amax(1)
    person = batch.alpha.amax((1, 2, 3)) > 0.5
    bottom = batch.alpha[:, 0].amax(2)
    # Wherever the person ends above the picture's lower edge, the window ended above the person's.
    ends_inside = person & (lowest < 0.5)
    last_row = torch.where(bottom > 0.5, torch.arange(96), 0).amax(1)
    widths = batch.alpha[torch.arange(24), 0, last_row].gt(0.5).sum(1)
    assert (widths[ends_inside] < 24).all()


def test_samples_are_blurred_as_a_whole(sampler):
    def sharpness(blurred):
        recipe = Recipe(objects=0.0, empty=0.0, blurred=blurred)
        image = sampler.batch(recipe, 8, 256, 256, (5,)).image
        return image.diff(dim=3).abs().mean().item()

    assert sharpness(1.0) < 0.8 * sharpness(0.0)


def share_of_people(batch):
    return batch.alpha.mean((1, 2, 3))[batch.alpha.amax((1, 2, 3)) > 0.5]


def test_people_far_away_are_small():
    alpha = np.zeros((128, 96), np.uint8)
    alpha[14:114, 30:66] = 255
    plain = np.full((128, 96, 3), 90, np.uint8)
    sampler = sampler_of([Portrait("whole", plain, plain, alpha)])

    def shares(far):
        recipe = Recipe(composites=1.0, others=0.0, turned=0.0, empty=0.0, far=far)
        return share_of_people(sampler.batch(recipe, 40, 64, 64, (1,)))

    near, far = shares(0.0), shares(1.0)
    assert far.median() < near.median() / 3
    assert far.min() < 0.03


def test_people_lie_on_their_side():
    alpha = np.zeros((160, 160), np.uint8)
    alpha[20:140, 60:100] = 255
    plain = np.full((160, 160, 3), 90, np.uint8)
    sampler = sampler_of([Portrait("upright", plain, plain, alpha)])

    def spans(lying):
        recipe = Recipe(composites=1.0, others=0.0, turned=0.0, empty=0.0, lying=lying)
        batch = sampler.batch(recipe, 24, 96, 64, (2,))
        inside = batch.alpha[:, 0] > 0.5
        whole = ~(inside[:, [0, -1]].flatten(1).any(1) | inside[:, :, [0, -1]].flatten(1).any(1))
        inside = inside[whole & inside.flatten(1).any(1)]
        assert len(inside) > 4
        return inside.any(2).sum(1) / inside.any(1).sum(1)

    assert (spans(0.0) > 1.8).all()
    assert (spans(1.0) < 1 / 1.8).all()


def test_the_band_at_bodies_is_as_narrow_as_asked_for():
    alpha = np.zeros((256, 256), np.uint8)
    alpha[40:216, 80:176] = 255
    portrait = Portrait("body", np.full((256, 256, 3), 200, np.uint8), np.full((256, 256, 3), 20, np.uint8), alpha)
    sampler = sampler_of([portrait])
    # No hair: colours are alike everywhere, so the guess at hair is switched off.
    for layers in sampler.portraits:
        for level in layers.levels:
            level[7] = 0

    def unknown(at_bodies):
        recipe = Recipe(composites=0.0, empty=0.0, unknown=(40, 40), at_bodies=at_bodies)
        batch = sampler.batch(recipe, 4, 256, 256, (3,))
        assert (batch.trimap[(batch.alpha[:, 0] > 0.1) & (batch.alpha[:, 0] < 0.9)] == 1).all()
        return (batch.trimap == 1).float().mean()

    assert unknown((12, 12)) < 0.5 * unknown(None)
