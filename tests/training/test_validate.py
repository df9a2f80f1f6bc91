import cv2
import numpy as np
import pytest
from drawn import draw_portrait

from infer_p3m_portrait_matting.p3m import PortraitMatting
from training.pack import MARK, encode
from training.portraits import is_held_out
from training.validate import HAIR, composites, in_true_trimap, lost_and_kept, photos
from training.validate import main as validate


def write_data(folder, names):
    for part in ("train", "backgrounds"):
        (folder / part).mkdir(parents=True)
    for index, name in enumerate(names):
        portrait = draw_portrait(index)
        image = np.dstack([portrait.photo()[..., ::-1], portrait.alpha])
        cv2.imwrite(str(folder / "train" / f"{name}.png"), image)
        cv2.imwrite(str(folder / "backgrounds" / f"{name}.png"), np.full((60, 90, 3), 90 * index, np.uint8))


def held_out_names(prefix, count):
    return [name for name in (f"{prefix}{i}" for i in range(300)) if is_held_out(name)][:count]


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["validate", *map(str, arguments)])
    validate()
    return capsys.readouterr().out


def test_the_photos_of_a_pack_are_those_that_were_packed(tmp_path):
    write_data(tmp_path / "data", held_out_names("p_", 1))
    (tmp_path / "pack" / "train").mkdir(parents=True)
    (tmp_path / "pack" / MARK).touch()
    ((name, photo, alpha),) = photos(tmp_path / "data", 1.0)
    (tmp_path / "pack" / "train" / f"{name}.webp").write_bytes(encode(draw_portrait(0), 95))
    ((packed_name, packed, packed_alpha),) = photos(tmp_path / "pack", 1.0)
    assert packed_name == name
    soft = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(packed.astype(int) - photo)[soft].mean() < 12
    assert np.abs(packed_alpha - alpha).max() < 0.04


def test_no_held_out_photo_is_said(tmp_path, monkeypatch, capsys):
    write_data(tmp_path, ["p_0"] if not is_held_out("p_0") else ["p_1"])
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "--data", tmp_path)
    assert "none of the photos" in capsys.readouterr().err


def test_composites_of_held_out_pictures_are_always_the_same(tmp_path):
    write_data(tmp_path, held_out_names("p_", 3))
    first, again = (list(composites(tmp_path, 2)) for _ in range(2))
    for (name, image, alpha), (other_name, other_image, other_alpha) in zip(first, again, strict=True):
        assert name == other_name
        assert np.array_equal(image, other_image)
        assert np.array_equal(alpha, other_alpha)
        assert image.shape == (*alpha.shape, 3)
        assert (image.dtype, alpha.dtype) == (np.uint8, np.float32)
        assert 0 < alpha.mean() < 1
    assert len({image.tobytes() for _, image, _ in first}) == 2


def test_hair_is_of_keyed_heads_alone(tmp_path):
    keyed, other = held_out_names("lon_", 1), held_out_names("p_", 2)
    write_data(tmp_path, [*other, *keyed])
    dark = draw_portrait(0, 200, 160)
    dark.foreground[:], dark.alpha[:] = (250, 0, 0), np.where(dark.alpha > 127, 255, 0)
    image = np.dstack([dark.photo()[..., ::-1], dark.alpha])
    cv2.imwrite(str(tmp_path / "train" / f"{keyed[0]}.png"), image)
    for _, picture, alpha in composites(tmp_path, 6, HAIR):
        person = picture[alpha == 1].astype(int)
        if len(person):
            assert (person[:, 0] >= person[:, 1:].max(1)).mean() > 0.95
    write_data(tmp_path / "other", other)
    with pytest.raises(ValueError, match="no portraits"):
        list(composites(tmp_path / "other", 1, HAIR))


def test_in_the_true_trimap_the_segmentation_cannot_err(astronaut):
    session = PortraitMatting("mobile", "cpu")
    true = np.zeros((512, 512), np.float32)
    true[100:, 150:400] = 1
    true[95:105, 150:400] = 0.5
    found = in_true_trimap(session, astronaut, true, 512)
    unknown = (true > 0.01) & (true < 0.99)
    assert np.array_equal(found[~unknown], true[~unknown])
    local = session.local_alpha(astronaut, 512)
    assert np.array_equal(found[unknown], local[unknown])
    # Inside HYBRID's own unknown area it is HYBRID's matte.
    matte = session.matte(astronaut, input_size=512)
    soft = (matte > 0) & (matte < 1)
    assert soft.any()
    assert np.abs(matte - local)[soft].max() < 1e-5


def test_both_layouts_validate_alike(tmp_path, monkeypatch, capsys):
    (name,) = held_out_names("p_", 1)
    portrait = draw_portrait(0)
    for folder in ("rgba/train", "p3m/train/blurred_image", "p3m/train/mask"):
        (tmp_path / folder).mkdir(parents=True)
    photo = portrait.photo()[..., ::-1]
    cv2.imwrite(str(tmp_path / "rgba/train" / f"{name}.png"), np.dstack([photo, portrait.alpha]))
    cv2.imwrite(str(tmp_path / "p3m/train/blurred_image" / f"{name}.png"), photo)
    cv2.imwrite(str(tmp_path / "p3m/train/mask" / f"{name}.png"), portrait.alpha)
    for scale in (1.0, 2.0):
        one, two = (next(photos(tmp_path / layout, scale)) for layout in ("rgba", "p3m"))
        assert one[0] == two[0] == name
        assert one[1].shape[0] == scale * portrait.alpha.shape[0]
        assert all(np.array_equal(a, b) for a, b in zip(one[1:], two[1:], strict=True))
    printed = [
        run(monkeypatch, capsys, "--data", tmp_path / layout, "--input-size", 64, "--output", tmp_path / "out" / layout)
        for layout in ("rgba", "p3m")
    ]
    assert printed[0] == printed[1]
    assert printed[0].startswith(f"{name} SAD ")
    mattes = [cv2.imread(str(tmp_path / "out" / layout / f"{name}.png"), -1) for layout in ("rgba", "p3m")]
    assert mattes[0].shape == portrait.alpha.shape
    assert np.array_equal(*mattes)


def test_a_folder_of_photos_beside_their_mattes_is_measured(tmp_path, monkeypatch, capsys, astronaut):
    cv2.imwrite(str(tmp_path / "a.png"), astronaut[..., ::-1])
    matte = PortraitMatting("mobile", "cpu").matte(astronaut, input_size=256)
    cv2.imwrite(str(tmp_path / "a.ours.png"), np.rint(matte * 255).astype(np.uint8))
    arguments = ["--folder", tmp_path, "--suffix", ".ours", "--input-size", "256"]
    figures = run(monkeypatch, capsys, *arguments).splitlines()[-1]
    assert figures.startswith("mean of 1: SAD 0.")
    wide = run(monkeypatch, capsys, *arguments, "--unknown-above", "0.001").splitlines()[-1]
    assert wide.startswith("mean of 1: SAD ")
    assert wide != figures
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "--input-size", "64")
    assert "--data, by --folder or by --bodies" in capsys.readouterr().err


def test_the_photos_are_never_replaced_by_mattes(tmp_path, monkeypatch, capsys, astronaut):
    for name in ("a.png", "a.ours.png"):
        cv2.imwrite(str(tmp_path / name), astronaut[..., ::-1])
    before = (tmp_path / "a.png").read_bytes()
    for source in (("--folder", tmp_path, "--suffix", ".ours"), ("--data", tmp_path.parent)):
        where = tmp_path if source[0] == "--folder" else tmp_path.parent / "train" / "mask"
        with pytest.raises(SystemExit):
            run(monkeypatch, capsys, *source, "--output", where)
        assert "holds files that are read" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before


def test_lost_and_kept_count_where_it_is_sure():
    sure = np.full((100, 200), 0.5, np.float32)
    sure[:50, :100], sure[50:, :100] = 1, 0
    alpha = np.zeros((100, 200), np.float32)
    alpha[:50, 20:], alpha[50:, 90:] = 1, 0.5
    # 1,000 pixels of the person, and 500 of the background by half, of 20,000.
    assert lost_and_kept(alpha, sure) == pytest.approx((50.0, 12.5))


def test_bodies_are_measured_where_it_is_sure(tmp_path, monkeypatch, capsys, astronaut):
    matte = PortraitMatting("mobile").matte(astronaut, input_size=256)
    sure = np.where(matte > 0.9, 255, np.where(matte < 0.1, 0, 128)).astype(np.uint8)
    for name, truth in (("right", sure), ("wrong", 255 - sure)):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), astronaut[..., ::-1])
        cv2.imwrite(str(tmp_path / f"{name}.sure.png"), truth)
    right, wrong, means = run(monkeypatch, capsys, "--bodies", tmp_path, "--input-size", 256).splitlines()
    assert right.startswith("right lost 0.")
    assert float(wrong.split()[2]) > 100
    assert means.startswith("mean of 2: lost ")
    assert means.endswith("bad 1")
    for unusable in (("--output", tmp_path / "out"), ("--true-trimap",)):
        with pytest.raises(SystemExit):
            run(monkeypatch, capsys, "--bodies", tmp_path, *unusable)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, "--bodies", tmp_path / "empty")
    assert "holds no photos with a matte NAME.sure.png" in capsys.readouterr().err
