import numpy as np
import pytest
import torch
from drawn import draw_portrait

from training.gallery import Layers, Window, cut, load_gallery, pyramid
from training.people import hair_map, prepare


def ramp(height=96, width=128):
    x = np.tile(np.arange(width, dtype=np.uint8), (height, 1))
    y = np.tile(np.arange(height, dtype=np.uint8)[:, None], (1, width))
    return torch.from_numpy(np.stack([x, y]))


def test_a_window_of_a_picture_is_cut_out():
    levels = pyramid(ramp())
    result = cut([levels], [Window(10, 20, 32, 64)], 32, 64)[0] * 255
    assert torch.allclose(result[0, 0], torch.arange(20.0, 84.0), atol=1e-3)
    assert torch.allclose(result[1, :, 0], torch.arange(10.0, 42.0), atol=1e-3)
    mirrored = cut([levels], [Window(10, 20, 32, 64, 0.0, True)], 32, 64)[0] * 255
    assert torch.allclose(mirrored[0, 0], torch.arange(83.0, 19.0, -1), atol=1e-3)
    assert torch.allclose(mirrored[1], result[1], atol=1e-3)


def test_a_quarter_turn_swaps_the_axes():
    levels = pyramid(ramp())
    result = cut([levels], [Window(16, 32, 64, 64, np.pi / 2)], 64, 64)[0] * 255
    assert torch.allclose(result[1, 0], torch.arange(16.0, 80.0), atol=1e-2)
    assert torch.allclose(result[0, :, 0], torch.arange(95.0, 31.0, -1), atol=1e-2)


def test_beyond_a_picture_its_edge_is_repeated():
    result = cut([pyramid(ramp())], [Window(-16, -16, 128, 160)], 128, 160)[0] * 255
    assert (result[0, 20, :16] == 0).all()
    assert torch.allclose(result[0, 20, 150:], torch.tensor(127.0), atol=1e-3)


def test_shrinking_does_not_alias():
    stripes = torch.zeros(1, 256, 256, dtype=torch.uint8)
    stripes[:, :, ::2] = 255
    result = cut([pyramid(stripes)], [Window(0, 0, 256, 256)], 64, 64)
    assert (result - 0.5).abs().max() < 0.02


def test_what_belongs_to_a_portrait_is_worked_out():
    portrait = draw_portrait(0)
    person = prepare(portrait)
    assert person.name == portrait.name
    assert person.layers.shape == (8, 150, 120)
    assert person.layers.dtype == np.uint8
    np.testing.assert_array_equal(person.layers[:3].transpose(1, 2, 0), portrait.foreground)
    np.testing.assert_array_equal(person.layers[6], portrait.alpha)
    assert person.touches == (False, True, False, False)
    assert person.share == pytest.approx((portrait.alpha > 127).mean())
    rows, columns = person.edges.T
    assert (portrait.alpha[rows, columns] > 8).all()
    assert (portrait.alpha[rows, columns] < 247).all()
    assert len(person.strands) <= len(person.edges) <= 2000
    again = prepare(portrait)
    assert all(np.array_equal(a, b) for a, b in zip(person, again, strict=True))


def test_hair_is_looked_for_at_the_top_of_the_head_by_its_colour():
    y, x = np.mgrid[:400, :300]
    head = ((y - 120) / 80.0) ** 2 + ((x - 150) / 60.0) ** 2 < 1
    body = (y > 200) & (abs(x - 150) < 110)
    alpha = np.where(head | body, 255, 0).astype(np.uint8)
    foreground = np.full((400, 300, 3), (70, 40, 20), np.uint8)
    foreground[100:] = (230, 190, 170)  # the face, and everything below
    foreground[380:] = (70, 40, 20)  # shoes of the hair's colour
    hair = hair_map(foreground, alpha)
    assert hair.dtype == np.uint8
    assert hair[60, 150] > 100
    assert hair[130:370].max() < 30
    assert hair[390].max() < 30
    assert hair[alpha == 0].max() == 0
    assert hair_map(foreground, np.zeros_like(alpha)).max() == 0


def test_a_gallery_holds_what_is_not_held_out(tmp_path):
    import cv2

    from training.portraits import is_held_out

    for folder in ("train", "backgrounds"):
        (tmp_path / folder).mkdir()
    portrait = draw_portrait(1)
    names = [f"p_{i}" for i in range(80)]
    kept, held_out = ([n for n in names if is_held_out(n) == side][:2] for side in (False, True))
    assert held_out
    for name in (*kept, *held_out):
        image = np.dstack([portrait.photo()[..., ::-1], portrait.alpha])
        cv2.imwrite(str(tmp_path / "train" / f"{name}.png"), image)
        cv2.imwrite(str(tmp_path / "backgrounds" / f"{name}.png"), image[..., :3])
    portraits, backgrounds = load_gallery(tmp_path, torch.device("cpu"))
    assert [p.name for p in portraits] == sorted(kept)
    assert {source: len(pictures) for source, pictures in backgrounds.items()} == {"p": 2}
    assert portraits[0].size == (150, 120)
    np.testing.assert_array_equal(portraits[0].levels[0][6].numpy(), portrait.alpha)
    assert isinstance(portraits[0], Layers)
