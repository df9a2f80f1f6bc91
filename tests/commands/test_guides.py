"""Masks, trimaps and strokes from files, for one photo, for folders, and for the frames of a video."""

import cv2
import numpy as np
import pytest
from command_line import SETTINGS, names, read, run
from PIL import Image
from videos import make_video

from infer_p3m_portrait_matting.p3m import to_uint8
from infer_p3m_portrait_matting.p3m.imaging.guide import DECIDE, KEEP, REMOVE
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline


@pytest.fixture(scope="module")
def net():
    """The model as p3m opens it for a few photos."""
    return Pipeline(SETTINGS, few=True).model


@pytest.fixture
def matte(net, photo):
    """The matte of the photo with a guide, as it is written: uint8 [H, W]."""
    return lambda image=photo, **guide: to_uint8(net.matte(image, input_size=SETTINGS.input_size, **guide))


@pytest.fixture
def mask(photo):
    """A coarse mask: uint8 of an eighth of the photo's size."""
    mask = np.zeros((photo.shape[0] // 8, photo.shape[1] // 8), np.uint8)
    cv2.ellipse(mask, (16, 18), (8, 12), 0, 0, 360, 255, -1)
    return mask


@pytest.fixture
def corrections(photo):
    corrections = np.zeros(photo.shape[:2], np.uint8)
    corrections[:30, :30], corrections[100:130, 100:130], corrections[:40, 200:] = KEEP, REMOVE, DECIDE
    return corrections


def in_colour(corrections: np.ndarray) -> np.ndarray:
    """Strokes as a paint program saves them: uint8 [H, W, 4]."""
    colours = np.array([(255, 255, 255, 0), (0, 200, 40, 255), (230, 20, 30, 255), (40, 60, 255, 255)], np.uint8)
    return colours[corrections]


def save(picture, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def test_a_mask_and_its_band(source, tmp_path, mask, matte):
    file = save(mask, tmp_path / "mask.png")
    assert run(source, tmp_path / "a.png", "--write", "matte", "--mask", file) == 0
    np.testing.assert_array_equal(read(tmp_path / "a.png"), matte(mask=mask))
    assert run(source, tmp_path / "b.png", "--write", "matte", "--mask", file, "--band", "20") == 0
    np.testing.assert_array_equal(read(tmp_path / "b.png"), matte(mask=mask, band=20))
    assert (read(tmp_path / "a.png") != read(tmp_path / "b.png")).any()


def test_a_trimap_and_strokes(source, tmp_path, photo, corrections, matte):
    trimap = np.zeros(photo.shape[:2], np.uint8)
    trimap[60:, 60:200], trimap[90:, 90:170] = 90, 255
    place = save(in_colour(corrections), tmp_path / "strokes.png")
    file = save(trimap, tmp_path / "trimap.png")
    assert run(source, tmp_path / "a.png", "--write", "matte", "--trimap", file, "--corrections", place) == 0
    np.testing.assert_array_equal(read(tmp_path / "a.png"), matte(trimap=trimap, corrections=corrections))
    assert run(source, tmp_path / "b.png", "--write", "matte", "--corrections", place) == 0
    np.testing.assert_array_equal(read(tmp_path / "b.png"), matte(corrections=corrections))


def test_a_folder_of_masks_has_the_photos_names(photo, tmp_path, mask, matte, capsys):
    photos, masks, results = (tmp_path / name for name in ("photos", "photos/masks", "results"))
    for number, name in enumerate(("a.jpg", "b.png", "sub/c.png", "d.png")):
        save(np.roll(photo, number, 1), photos / name)
    save(mask, masks / "a.png")
    save(255 - mask, masks / "b.png")
    save(mask, masks / "sub" / "c.webp")
    arguments = (photos, "-o", results, "--write", "matte", "--mask", masks)
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert "3 done, 1 failed" in said
    assert f"{photos / 'd.png'}: --mask has nothing for it: put d.png into {masks}" in said
    assert names(results) == ["a_matte.png", "b_matte.png", "sub/c_matte.png"]
    np.testing.assert_array_equal(read(results / "b_matte.png"), matte(np.roll(photo, 1, 1), mask=255 - mask))
    save(mask, masks / "d.png")
    assert run(*arguments) == 0
    assert "1 done, 3 were there already" in capsys.readouterr().err
    # A mask that was painted anew makes its photo's result again.
    save(255 - mask, masks / "a.png")
    assert run(*arguments) == 0
    assert "1 done, 3 were there already" in capsys.readouterr().err
    assert run(photos / "b.png", tmp_path / "b.png", "--write", "matte", "--mask", masks) == 0
    assert (read(tmp_path / "b.png") == read(results / "b_matte.png")).all()


@pytest.mark.slow
def test_several_processes_take_the_same_masks(photo, tmp_path, mask, matte):
    for name in "ab":
        save(photo, tmp_path / "photos" / f"{name}.png")
        save(mask, tmp_path / "masks" / f"{name}.png")
    place = tmp_path / "results"
    assert run(tmp_path / "photos", "-o", place, "--write", "matte", "--mask", tmp_path / "masks", "--jobs", 2) == 0
    for name in "ab":
        np.testing.assert_array_equal(read(place / f"{name}_matte.png"), matte(mask=mask))


def test_a_video_takes_a_mask_for_each_frame(tmp_path, capsys):
    clip, small = tmp_path / "clip.mp4", np.zeros((12, 16), np.uint8)
    make_video(clip, count=3, size=(96, 128))
    masks = tmp_path / "masks"
    for number, picture in enumerate((small * 0, np.full_like(small, 255), small * 0)):
        save(picture, masks / f"{number:03}.png")
    assert run(clip, tmp_path / "out", "--write", "matte", "--mask", masks) == 0
    levels = [read(tmp_path / "out" / f"{number:05}.png").mean() for number in (1, 2, 3)]
    assert levels == [0, 255, 0]
    (masks / "002.png").unlink()
    assert run(clip, tmp_path / "few", "--write", "matte", "--mask", masks) == 1
    assert "the guide has pictures for 2 frames, but there are more: add them" in capsys.readouterr().err
    assert names(tmp_path / "few") == []
    assert run(clip, tmp_path / "file", "--mask", masks / "000.png") == 1
    assert "000.png is no folder: for a video, --mask takes a folder with a picture for each" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask", "nowhere.png"], "--mask nowhere.png is not there: correct the path"),
        (["--mask", "photo.png", "--trimap", "photo.png"], "--trimap and --mask exclude each other: give one of them"),
        (["--band", "3"], "--band has no effect without --mask"),
        (["--trimap", "photo.png", "--band", "3"], "--band has no effect without --mask"),
        (
            ["--mask", "photo.png", "--band", "wide"],
            "--band must be auto, or a width between 0 and 1000 pixels, got 'w",
        ),
        (["--mask", "photo.png", "--method", "resize"], "--method RESIZE takes no trimap, mask or corrections: choose"),
        (["other.png", "-o", ".", "--mask", "photo.png"], "--mask photo.png is one file: for several photos, name a"),
        (["strokes.png", "--corrections", "strokes.png", "--force"], "is read, as strokes.png"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_made(
    source, photo, arguments, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    save(photo, tmp_path / "other.png")
    save(photo, tmp_path / "strokes.png")
    try:
        status = run("photo.png", *arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert names(tmp_path) == ["other.png", "photo.png", "strokes.png"]


@pytest.mark.parametrize(
    ("option", "picture", "message"),
    [
        ("mask", np.zeros((40, 40), np.uint8), "the mask is 40 x 40 px, the photo 256 x 192 px: give a picture of the"),
        (
            "corrections",
            np.zeros((192, 256, 3), np.uint8),
            "other.png has no transparent places: draw green, red or bl",
        ),
        ("corrections", np.zeros((96, 96, 4), np.uint8), "corrections are 96 x 96 px, the photo 256 x 192 px"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(source, tmp_path, capsys, option, picture, message):
    file = save(picture, tmp_path / "other.png")
    assert run(source, f"--{option}", file) == 1
    assert message in capsys.readouterr().err
    assert names(tmp_path) == ["other.png", "photo.png"]
