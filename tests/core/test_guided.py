"""Mattes that are led by hand: a trimap, a mask, strokes."""

from functools import partial

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import Box, Guide, matte_person, trimap_of_mask
from infer_p3m_portrait_matting.p3m.imaging.guide import DECIDE, KEEP, REMOVE

SIZE = 256
#: The local alpha is enlarged in another order.
close = partial(np.testing.assert_allclose, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[:320, 64:352])


@pytest.fixture(scope="module")
def alone(mobile, photo):
    """The matte without a guide."""
    return mobile.matte(photo, input_size=SIZE)


@pytest.fixture(scope="module")
def local(mobile, photo):
    """The local alpha, everywhere."""
    return mobile.local_alpha(photo, SIZE)


@pytest.fixture(scope="module")
def trimap(alone):
    return trimap_of_mask(alone > 0.5, *alone.shape, band=12)


def filled(trimap, local):
    """What a trimap and a local alpha make."""
    return np.where(trimap == 128, local, trimap / np.float32(255)).astype(np.float32)


def passes_of(mobile, photo, **guide) -> tuple[np.ndarray, int]:
    """A matte, and through the network in how many passes."""
    passes = []
    return mobile.matte(photo, input_size=SIZE, after_pass=lambda: passes.append(1), **guide), len(passes)


def test_without_a_guide_nothing_changes(mobile, photo, alone):
    np.testing.assert_array_equal(mobile.matte(photo, input_size=SIZE, trimap=None, corrections=None), alone)
    nothing = np.zeros(photo.shape[:2], np.uint8)
    np.testing.assert_array_equal(mobile.matte(photo, input_size=SIZE, corrections=nothing), alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_strokes_that_are_not_there_change_no_published_network(matting, photo, name):
    net, small = matting(name), photo[:192, :160]
    nothing = np.zeros(small.shape[:2], np.uint8)
    np.testing.assert_array_equal(
        net.matte(small, input_size=128, corrections=nothing), net.matte(small, input_size=128)
    )


def test_a_trimap_replaces_the_global_pass(mobile, photo, trimap, local):
    found, passes = passes_of(mobile, photo, trimap=trimap)
    assert passes == 1
    assert 0.1 < (trimap == 128).mean() < 0.5
    close(found, filled(trimap, local))


def test_the_local_alpha_is_computed_wherever_a_large_photo_wants_it(mobile, astronaut):
    """The network sees the photo in a quarter of its size, and a single pixel of the photo may be unknown."""
    large = np.ascontiguousarray(astronaut.repeat(2, 0).repeat(2, 1))
    trimap = np.zeros(large.shape[:2], np.uint8)
    trimap[np.random.default_rng(0).random(trimap.shape) < 1e-4] = 77
    trimap[300:500, 400:401] = 77
    assert np.count_nonzero(trimap)
    found = mobile.matte(large, input_size=SIZE, trimap=trimap)
    unknown = trimap == 77
    close(found, np.where(unknown, mobile.local_alpha(large, SIZE), 0))
    corrections = np.where(unknown, np.uint8(DECIDE), np.uint8(0))
    found = mobile.matte(large, input_size=SIZE, corrections=corrections)
    close(found[unknown], mobile.local_alpha(large, SIZE)[unknown])


def test_a_trimap_without_unknown_places_is_the_matte(mobile, photo, alone):
    found = mobile.matte(photo, input_size=SIZE, trimap=(alone > 0.5) * np.uint8(255))
    np.testing.assert_array_equal(found, alone > 0.5)
    found, passes = passes_of(mobile, photo, trimap=np.full(alone.shape, 255, np.uint8))
    assert passes == 0
    assert found.min() == 1


def test_a_photo_smaller_than_the_networks_input_takes_a_trimap(mobile, photo):
    small = np.ascontiguousarray(photo[::4, ::4])
    trimap = np.zeros(small.shape[:2], np.uint8)
    trimap[20:60, 20:50] = 100
    close(mobile.matte(small, trimap=trimap), np.where(trimap == 100, mobile.local_alpha(small), 0))


def test_a_mask_of_another_size_becomes_a_trimap(mobile, photo, alone, local):
    small = alone[4::8, 4::8] > 0.5
    found, passes = passes_of(mobile, photo, mask=small, band=10)
    assert passes == 1
    close(found, filled(trimap_of_mask(small, *alone.shape, band=10), local))
    assert np.abs(found - alone).mean() < 0.01


def test_strokes_stand_above_the_classes(mobile, photo, alone, local):
    corrections = np.zeros(alone.shape, np.uint8)
    corrections[:40, :40], corrections[200:240, 100:140], corrections[:60, 220:280] = KEEP, REMOVE, DECIDE
    assert alone[:40, :40].max() < 0.1
    assert alone[200:240, 100:140].min() > 0.9
    found, passes = passes_of(mobile, photo, corrections=corrections)
    assert passes == 2
    assert found[:40, :40].min() == 1
    assert found[200:240, 100:140].max() == 0
    close(found[:60, 220:280], local[:60, 220:280])
    rest = np.ones(alone.shape, bool)
    for area in ((slice(0, 42), slice(0, 42)), (slice(198, 242), slice(98, 142)), (slice(0, 60), slice(220, 280))):
        rest[area] = False
    np.testing.assert_array_equal(found[rest], alone[rest])


def test_strokes_stand_above_a_trimap(mobile, photo, trimap, local):
    corrections = np.zeros(trimap.shape, np.uint8)
    corrections[:30, :30], corrections[:30, 200:230] = KEEP, DECIDE
    found = mobile.matte(photo, input_size=SIZE, trimap=trimap, corrections=corrections)
    wanted = filled(np.where(corrections == DECIDE, np.uint8(128), trimap), local)
    wanted[:30, :30] = 1
    rim = np.zeros(trimap.shape, bool)
    rim[:32, :32] = corrections[:32, :32] == 0
    close(found[~rim], wanted[~rim])


def test_a_stroke_is_seen_where_the_network_sees_nobody(mobile):
    nobody = np.full((160, 160, 3), 90, np.uint8)
    corrections = np.zeros((160, 160), np.uint8)
    corrections[50:100, 50:100] = KEEP
    assert mobile.matte(nobody).max() == 0
    found = mobile.matte(nobody, corrections=corrections)
    np.testing.assert_array_equal(found == 1, corrections == KEEP)


def test_a_batch_takes_a_guide_for_each_photo(mobile, photo, alone, trimap, astronaut):
    corrections = np.zeros(alone.shape, np.uint8)
    corrections[:40, :40] = KEEP
    guides = [None, Guide(trimap=trimap), Guide(corrections=corrections), None, Guide(mask=np.ones((64, 64), bool))]
    photos = [photo, photo, photo, photo, astronaut]
    wanted = [
        mobile.matte(each, input_size=SIZE, **(guide or Guide()).fit(*each.shape[:2]).maps())
        for each, guide in zip(photos, guides, strict=True)
    ]
    np.testing.assert_array_equal(wanted[0], alone)
    for size in (1, 4):
        found = mobile.matte_batch(photos, input_size=SIZE, batch_size=size, guides=guides)
        for one, other in zip(found, wanted, strict=True):
            assert (np.abs(one - other) <= 1 / 255).mean() > 0.999
    with pytest.raises(ValueError, match="there are 2 images, but 1 guides: give one, or None, for each"):
        mobile.matte_batch([photo, photo], guides=[None])
    with pytest.raises(ValueError, match=r"images\[1\]: the mask is 20 x 10 px, the photo 288 x 320 px"):
        mobile.matte_batch([photo, photo], guides=[None, Guide(mask=np.ones((10, 20), bool))])


def test_a_long_photo_takes_its_guide_piece_by_piece(mobile, photo):
    long = np.concatenate([photo[:200]] * 4, 1)
    mask = np.zeros((50, long.shape[1] // 4), bool)
    mask[20:, 100:200] = True
    corrections = np.zeros(long.shape[:2], np.uint8)
    corrections[:30, 1000:] = KEEP
    found = mobile.matte(long, input_size=128, mask=mask, band=6, corrections=corrections)
    assert found[:30, 1000:].min() == 1
    known = trimap_of_mask(mask, *long.shape[:2], band=6)
    known[:34, 996:] = 128
    assert (found[known == 0] == 0).all()
    np.testing.assert_allclose(found[known == 255], 1)
    (twice,) = mobile.matte_batch([long], input_size=128, guides=[Guide(mask=mask, band=6, corrections=corrections)])
    np.testing.assert_array_equal(twice, found)


def test_one_person_of_a_guided_photo(mobile, photo, trimap):
    """The guide is cut like the photo, and what is kept stays outside the box."""
    corrections = np.zeros(trimap.shape, np.uint8)
    corrections[:20, :20] = KEEP
    box = Box(90, 60, 150, 250)
    matte = mobile.matte
    found = matte_person(matte, photo, box, trimap=trimap, corrections=corrections)
    assert found[:20, :20].min() == 1
    assert found[20:, :20][2:].max() == 0
    assert (found[trimap == 0][found[trimap == 0] > 0].size) < 20 * 20 + 200
    inside = (slice(100, 300), slice(100, 230))
    assert (found[inside][trimap[inside] == 255] == 1).all()


def test_resize_takes_no_guide(mobile, photo, trimap):
    with pytest.raises(ValueError, match="method RESIZE takes no trimap, mask or corrections: choose HYBRID"):
        mobile.matte(photo, "resize", trimap=trimap)
    with pytest.raises(ValueError, match="RESIZE takes no trimap"):
        mobile.matte_batch([photo], "RESIZE", guides=[Guide(trimap=trimap)])


def test_what_the_photo_has_erased_stays_erased(mobile, photo, trimap):
    erased = np.dstack([photo, np.full(trimap.shape, 255, np.uint8)])
    erased[:, :150, 3] = 0
    found = mobile.matte(erased, input_size=SIZE, trimap=np.full(trimap.shape, 255, np.uint8))
    assert found[:, :150].max() == 0
    assert found[:, 150:].min() == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_the_published_networks_fill_a_trimap(matting, photo, name):
    net, small = matting(name), np.ascontiguousarray(photo[:192, :160])
    trimap = np.zeros(small.shape[:2], np.uint8)
    trimap[60:150, 40:120], trimap[80:130, 60:100] = 128, 255
    found = net.matte(small, input_size=128, trimap=trimap)
    close(found, filled(trimap, net.local_alpha(small, 128)))
