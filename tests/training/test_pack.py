import cv2
import numpy as np
import pytest
import torch
from drawn import draw_portrait

from training.gallery import load_gallery
from training.pack import HIGH, LOW, PERSON, decode, decode_file, encode, extend, is_pack
from training.pack import main as pack
from training.portraits import is_held_out


def test_a_pack_keeps_colours_and_the_matte_but_its_veil():
    portrait = draw_portrait(2)
    portrait.alpha[:5] = LOW - 1
    back = decode("drawn_2", encode(portrait, 95))
    veil, opaque = portrait.alpha < LOW, portrait.alpha > HIGH
    assert back.alpha[veil].max() == 0
    assert back.alpha[opaque].min() == 255
    np.testing.assert_array_equal(back.alpha[~veil & ~opaque], portrait.alpha[~veil & ~opaque])
    person = portrait.alpha >= PERSON
    assert np.abs(back.foreground[person].astype(int) - portrait.foreground[person]).mean() < 4
    plain = portrait.alpha == 0
    assert np.abs(back.background[plain].astype(int) - portrait.photo()[plain]).mean() < 4
    # Where the pack says nothing, colours go on from those near by.
    assert np.abs(back.foreground.astype(int) - portrait.foreground)[~person].mean() < 12


def test_a_portrait_that_fills_its_picture_is_packed_too():
    portrait = draw_portrait(2)
    portrait.alpha[:] = HIGH + 1
    assert (decode("drawn_2", encode(portrait, 95)).alpha == 255).all()


@pytest.mark.parametrize("length", [0, 200])
def test_a_damaged_file_of_a_pack_is_named(length):
    with pytest.raises(ValueError, match="drawn_2 is no packed portrait, or a damaged one"):
        decode("drawn_2", encode(draw_portrait(2), 95)[:length])


def test_unknown_colours_are_continued():
    color = np.zeros((40, 60, 3), np.uint8)
    color[:, :30], color[:, 30:] = (200, 100, 50), (10, 20, 250)
    known = np.zeros((40, 60), bool)
    known[:, :10] = True
    filled = extend(color, known)
    assert np.abs(filled.astype(int) - (200, 100, 50)).max() <= 2
    assert (extend(color, np.zeros_like(known)) == 127).all()
    np.testing.assert_allclose(extend(color, np.ones_like(known)), color, atol=1)


def test_a_folder_is_packed_once(tmp_path, monkeypatch):
    for folder in ("data/train", "data/backgrounds"):
        (tmp_path / folder).mkdir(parents=True)
    portrait = draw_portrait(3, 90, 60)
    names = [next(n for n in (f"p_{i}" for i in range(99)) if is_held_out(n) == side) for side in (False, True)]
    for name in names:
        image = np.dstack([portrait.photo()[..., ::-1], portrait.alpha])
        cv2.imwrite(str(tmp_path / "data/train" / f"{name}.png"), image)
        cv2.imwrite(str(tmp_path / "data/backgrounds" / f"{name}.png"), image[..., :3])
    arguments = ["--data", tmp_path / "data", "--output", tmp_path / "pack", "--long-side", "60", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["pack", *map(str, arguments)])
    assert not is_pack(tmp_path / "pack")
    pack()
    assert is_pack(tmp_path / "pack")
    assert not is_pack(tmp_path / "data")
    files = sorted((tmp_path / "pack/train").iterdir())
    assert [f.stem for f in files] == sorted(names)
    assert decode_file(files[0]).alpha.shape == (60, 40)
    assert len(list((tmp_path / "pack/backgrounds").iterdir())) == 2
    files += sorted((tmp_path / "pack/backgrounds").iterdir())
    times = [f.stat().st_mtime_ns for f in files]
    pack()
    assert [f.stat().st_mtime_ns for f in files] == times
    portraits, backgrounds = load_gallery(tmp_path / "pack", torch.device("cpu"), long_side=30)
    assert [portrait.size for portrait in portraits] == [(30, 20)]
    assert [tuple(levels[0].shape) for group in backgrounds.values() for levels in group] == [(3, 30, 20)]


def test_what_is_no_packed_portrait_is_refused():
    _, code = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="photo is no packed portrait"):
        decode("photo", code.tobytes())


def test_an_interrupted_pack_is_known_as_one(tmp_path, monkeypatch):
    """Its files hold the person's own colours, so that they are no photos."""
    monkeypatch.setattr("sys.argv", ["pack", "--data", str(data_of(tmp_path)), "--output", str(tmp_path / "pack")])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.pack.ProcessPoolExecutor", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pack()
    assert is_pack(tmp_path / "pack")


@pytest.mark.parametrize(
    ("twin", "output", "message"),
    [("drawn.webp", "pack", "of one name and different formats (drawn)"), (None, "data", "holds files that are read")],
)
def test_photos_that_would_be_lost_are_named_before_any_is_packed(tmp_path, monkeypatch, capsys, twin, output, message):
    data = data_of(tmp_path)
    if twin:
        cv2.imwrite(str(data / "train" / twin), cv2.imread(str(data / "train" / "drawn.png"), -1))
    monkeypatch.setattr("sys.argv", ["pack", "--data", str(data), "--output", str(tmp_path / output)])
    with pytest.raises(SystemExit):
        pack()
    assert message in capsys.readouterr().err
    assert not is_pack(tmp_path / output)


def data_of(folder):
    (folder / "data/train").mkdir(parents=True)
    (folder / "data/backgrounds").mkdir()
    portrait = draw_portrait(3, 90, 60)
    image = np.dstack([portrait.photo()[..., ::-1], portrait.alpha])
    cv2.imwrite(str(folder / "data/train/drawn.png"), image)
    return folder / "data"
