import cv2
import numpy as np
import pytest
from drawn import draw_portrait

from training.portraits import is_held_out, list_backgrounds, list_photos, read_backgrounds, read_portrait


def test_a_portrait_gives_its_photo_back():
    portrait = draw_portrait(0)
    photo = portrait.photo()
    assert np.array_equal(photo[portrait.alpha == 255], portrait.foreground[portrait.alpha == 255])
    assert np.array_equal(photo[portrait.alpha == 0], portrait.background[portrait.alpha == 0])


def test_photos_are_read_in_both_layouts(tmp_path):
    portrait = draw_portrait(0)
    photo, name = portrait.photo()[..., ::-1], next(n for n in (f"p_{i}" for i in range(99)) if not is_held_out(n))
    for folder in ("rgba", "p3m/blurred_image", "p3m/mask"):
        (tmp_path / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "rgba" / f"{name}.png"), np.dstack([photo, portrait.alpha]))
    cv2.imwrite(str(tmp_path / "p3m" / "blurred_image" / f"{name}.png"), photo)
    with pytest.raises(ValueError, match="nor one with a matte of its size in mask/"):
        [read_portrait(path) for path in list_photos(tmp_path / "p3m", held_out=False)]
    cv2.imwrite(str(tmp_path / "p3m" / "mask" / f"{name}.png"), portrait.alpha)
    one, two = (
        [read_portrait(path) for path in list_photos(tmp_path / folder, held_out=False)] for folder in ("rgba", "p3m")
    )
    assert len(one) == len(two) == 1
    assert all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))
    assert np.abs(one[0].photo().astype(int) - portrait.photo()).max() <= 2
    (small,) = (read_portrait(path, long_side=50) for path in list_photos(tmp_path / "p3m", held_out=False))
    assert small.alpha.shape == (50, 40)


def test_one_photo_in_sixteen_is_held_out_for_ever():
    held_out = [name for name in (f"p_{i:04d}" for i in range(1600)) if is_held_out(name)]
    assert 70 <= len(held_out) <= 130
    assert held_out[:4] == ["p_0059", "p_0062", "p_0063", "p_0078"]


def test_the_two_splits_are_all_photos(tmp_path):
    names = [f"p_{i:03d}{suffix}" for i in range(40) for suffix in (".png", ".webp", ".txt")]
    for name in names:
        (tmp_path / name).touch()
    kept, held_out = (list_photos(tmp_path, split) for split in (False, True))
    assert held_out
    assert kept == sorted(kept)
    assert {p.name for p in kept} | {p.name for p in held_out} == {n for n in names if not n.endswith(".txt")}
    assert not set(kept) & set(held_out)


def test_photos_of_one_person_are_on_one_side():
    people = [f"lon_{number:03d}" for number in range(200)]
    sides = {person: {is_held_out(f"{person}-{shot}") for shot in ("03", "08", "1")} for person in people}
    assert all(len(side) == 1 for side in sides.values())
    assert {True} in sides.values()
    # A long number tells a photo, not a person.
    assert len({is_held_out(f"pix_man-{number}") for number in range(1000, 1100)}) == 2


def test_backgrounds_are_read_by_their_source(tmp_path):
    assert read_backgrounds(list_backgrounds(tmp_path / "none", held_out=False)) == {}
    for source, value, count in (("house", 40, 30), ("wall", 200, 3)):
        for index in range(count):
            cv2.imwrite(str(tmp_path / f"{source}_{index}.png"), np.full((20, 30, 3), value, np.uint8))
    kept, held_out = (list_backgrounds(tmp_path, split) for split in (False, True))
    assert held_out
    assert len({*kept, *held_out}) == len(kept) + len(held_out) == 33
    backgrounds = read_backgrounds(kept)
    assert {source: pictures[0].mean() for source, pictures in backgrounds.items()} == {"house": 40, "wall": 200}
