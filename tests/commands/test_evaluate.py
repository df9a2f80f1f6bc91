"""The evaluation command on folders laid out as P3M-10k's, with photos and mattes drawn here."""

import csv
import json
import os
import re
import runpy
import sys

import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.evaluate.__main__ import FIELDS, main
from infer_p3m_portrait_matting.evaluate.dataset import p3m_10k, two_folders
from infer_p3m_portrait_matting.p3m import score, to_uint8, trimap_of
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.inference.precision import bfloat16_is_native

pytestmark = pytest.mark.slow

#: What "auto" takes here.
PRECISION = "bfloat16" if bfloat16_is_native() else "float32"

NAMES = ("p_1", "p_2, again", "p_3")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, mobile, astronaut):
    """A test set of three photos; its "true" mattes are shifted ones of the model itself."""
    root = tmp_path_factory.mktemp("P3M-500-P")
    for folder in ("blurred_image", "mask", "trimap"):
        (root / folder).mkdir()
    for shift, name in enumerate(NAMES):
        photo = astronaut[: 320 + 32 * shift, :320]
        true = np.roll(to_uint8(mobile.matte(photo, "HYBRID", 256)), 4 * shift, axis=1)
        cv2.imwrite(str(root / "blurred_image" / f"{name}.jpg"), photo[..., ::-1])
        cv2.imwrite(str(root / "mask" / f"{name}.png"), true)
        cv2.imwrite(str(root / "trimap" / f"{name}.png"), trimap_of(true / 255, 31))
    return root


def run(dataset, output, *more) -> int:
    arguments = ["--data", dataset, "--model", "mobile", "--input-size", 256, "--output", output, *more]
    return main([str(a) for a in arguments])


def read(output) -> dict[str, dict[str, float]]:
    with (output / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(FIELDS)
    return {row.pop("name"): {key: float(value) for key, value in row.items()} for row in rows}


def test_every_photo_is_measured_against_its_matte_and_trimap(dataset, tmp_path, capsys):
    assert run(dataset, tmp_path) == 0
    got = read(tmp_path)
    assert tuple(got) == NAMES
    for pair in p3m_10k(dataset):
        _, true, trimap = pair.read()
        matte = cv2.imread(str(tmp_path / "mattes" / f"{pair.name}.png"), cv2.IMREAD_GRAYSCALE)
        assert got[pair.name] == pytest.approx(score(matte / 255, true, trimap)._asdict(), rel=1e-5, abs=1e-9)
    assert got["p_3"]["sad"] > 4 * got["p_1"]["sad"]
    printed = capsys.readouterr()
    assert f"mobile, HYBRID at 256 in {PRECISION}, mean of 3 photos:" in printed.out
    mean = np.mean([row["sad"] for row in got.values()])
    assert printed.out.splitlines()[-1].startswith(f"| {mean:.2f} |")
    assert "3/3" in printed.err


def test_the_contact_sheet_shows_the_worst_cases(dataset, tmp_path):
    assert run(dataset, tmp_path, "--worst", 2) == 0
    sheet = cv2.imread(str(tmp_path / "worst.png"))
    # The photos are higher than wide: each row is 360 px of picture, a caption and a gap.
    assert sheet.shape == (2 * (360 + 28 + 8), 4 * 368 + 8, 3)
    # The last column of the first row is where the mattes differ: somewhere, but not nearly everywhere.
    different = sheet[28:388, -368:-8].max(-1) > 128
    assert 0 < different[:, :300].mean() < 0.3


def test_an_interrupted_evaluation_goes_on(dataset, tmp_path, mobile, monkeypatch):
    calls = []

    def matte(self, photo, *arguments, **keywords):
        calls.append(photo.shape)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, photo, *arguments, **keywords)

    original = type(mobile).matte
    monkeypatch.setattr(type(mobile), "matte", matte)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "one")
    assert tuple(read(tmp_path / "one")) == NAMES[:1]
    # As if the power had failed in the middle of a row.
    log = tmp_path / "one" / "measured.jsonl"
    log.write_text(log.read_text() + log.read_text().replace("p_1", "p_3")[:-20])
    with (tmp_path / "one" / "scores.csv").open("a") as file:
        file.write("p_3,1.0,0.")
    assert run(dataset, tmp_path / "one") == 0
    assert len(calls) == 4
    assert run(dataset, tmp_path / "two") == 0
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert {name: pytest.approx(row, rel=1e-5) for name, row in one.items()} == two


def test_results_of_other_settings_are_never_mixed(dataset, tmp_path, capsys):
    assert run(dataset, tmp_path) == 0
    before = (tmp_path / "scores.csv").read_bytes()
    assert run(dataset, tmp_path, "--method", "RESIZE") == 1
    assert "holds results of other settings (method; see settings.json)" in capsys.readouterr().err
    assert (tmp_path / "scores.csv").read_bytes() == before


def test_results_of_another_precision_are_never_mixed(astronaut, tmp_path, capsys):
    arguments = two_photos(astronaut, tmp_path, "a")
    assert main([*arguments, "--precision", "float32"]) == 0
    note = tmp_path / "out" / "settings.json"
    settings = json.loads(note.read_text())
    assert (settings["precision"], settings["device"]) == ("float32", "cpu")
    assert "in float32, mean of 1 photos" in capsys.readouterr().out
    assert main([*arguments, "--precision", "bfloat16"]) == 1
    assert "other settings (precision; see settings.json): choose another --output" in capsys.readouterr().err
    # A folder of an older version, which did not note them.
    note.write_text(
        json.dumps({name: value for name, value in settings.items() if name not in ("precision", "device")})
    )
    assert main([*arguments, "--precision", "float32"]) == 1
    assert "other settings (precision, device; see settings.json)" in capsys.readouterr().err


def test_a_broken_photo_is_named_and_the_rest_is_measured(astronaut, tmp_path, capsys):
    for folder in ("photos", "mattes"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), astronaut[:96, :96])
        cv2.imwrite(str(tmp_path / "mattes" / f"{name}.png"), astronaut[: 96 if name != "c" else 80, :96, 0])
    (tmp_path / "photos" / "b.png").write_bytes(b"no picture")
    arguments = ["--photos", tmp_path / "photos", "--mattes", tmp_path / "mattes", "--model", "mobile"]
    status = main([str(a) for a in [*arguments, "--output", tmp_path / "out"]])
    printed = capsys.readouterr()
    assert status == 1
    assert "b.png cannot be read as an image" in printed.err
    assert "they must have one size" in printed.err
    assert "mean of 1 photos" in printed.out
    assert tuple(read(tmp_path / "out")) == ("a",)


def test_what_is_missing_is_named(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="neither blurred_image/ nor original_image/"):
        p3m_10k(tmp_path)
    (tmp_path / "original_image").mkdir()
    (tmp_path / "mask").mkdir()
    (tmp_path / "original_image" / "a.jpg").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"a\.jpg has no .*mask/a\.png"):
        p3m_10k(tmp_path)
    (tmp_path / "original_image" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="one name and different formats"):
        p3m_10k(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        two_folders(tmp_path / "none", tmp_path)
    with pytest.raises(SystemExit):
        main(["--photos", str(tmp_path)])
    assert "--photos needs --mattes" in capsys.readouterr().err


def two_photos(astronaut, folder, *names):
    for room in ("photos", "mattes"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "photos" / f"{name}.png").write_bytes(encode_png(np.ascontiguousarray(astronaut[:96, :96])))
        (folder / "mattes" / f"{name}.png").write_bytes(encode_png(np.ascontiguousarray(astronaut[:96, :96, 0])))
    rooms = ["--photos", folder / "photos", "--mattes", folder / "mattes"]
    return [str(a) for a in (*rooms, "--model", "mobile", "--input-size", 64, "--output", folder / "out")]


def test_removed_and_replaced_photos_are_forgotten(astronaut, tmp_path, capsys):
    arguments = two_photos(astronaut, tmp_path, "a", "b", "c")
    assert main(arguments) == 0
    before = read(tmp_path / "out")
    (tmp_path / "photos" / "a.png").unlink()
    (tmp_path / "mattes" / "b.png").write_bytes(encode_png(np.ascontiguousarray(astronaut[100:196, :96, 0])))
    capsys.readouterr()
    assert main(arguments) == 0
    after = read(tmp_path / "out")
    assert "mean of 2 photos" in capsys.readouterr().out
    assert set(after) == {"b", "c"}
    assert after["c"] == before["c"]
    assert after["b"] != before["b"]


def test_figures_that_are_not_finite_are_measured_again(astronaut, tmp_path):
    arguments = two_photos(astronaut, tmp_path, "a", "b")
    assert main(arguments) == 0
    before = read(tmp_path / "out")
    log = tmp_path / "out" / "measured.jsonl"
    log.write_text(re.sub(r'"sad": [0-9.e-]+', '"sad": NaN', log.read_text(), count=1))
    assert main(arguments) == 0
    assert read(tmp_path / "out") == {name: pytest.approx(row) for name, row in before.items()}


def test_odd_names_are_measured_once_and_make_no_formula(astronaut, tmp_path):
    names = ("=1+1", "-a", "+b", "@c", "line\nbreak", os.fsdecode(b"Andr\xe9"), "with, comma")
    arguments = two_photos(astronaut, tmp_path, *names)
    assert main(arguments) == 0
    assert set(read(tmp_path / "out")) == {
        "'=1+1",
        "'-a",
        "'+b",
        "'@c",
        "line\\nbreak",
        "Andr\\xe9",
        "with, comma",
    }
    assert len((tmp_path / "out" / "scores.csv").read_text().splitlines()) == 1 + len(names)
    before = (tmp_path / "out" / "measured.jsonl").stat().st_ino, sorted(read(tmp_path / "out").items())
    stamps = [path.stat().st_mtime_ns for path in sorted((tmp_path / "out" / "mattes").iterdir())]
    assert main(arguments) == 0
    assert sorted(read(tmp_path / "out").items()) == before[1]
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "out" / "mattes").iterdir())] == stamps


def test_a_broken_photo_with_a_name_that_is_no_utf_8_is_named(astronaut, tmp_path, monkeypatch, capsys):
    """As a program: capsys takes strict UTF-8, on standard error as well, where Python itself would escape."""
    arguments = two_photos(astronaut, tmp_path, os.fsdecode(b"Andr\xe9"), "b")
    (tmp_path / "photos" / os.fsdecode(b"Andr\xe9.png")).write_bytes(b"no picture")
    assert [(stream.encoding, stream.errors) for stream in (sys.stdout, sys.stderr)] == [("UTF-8", "strict")] * 2
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    monkeypatch.delitem(sys.modules, main.__module__)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("infer_p3m_portrait_matting.evaluate", run_name="__main__", alter_sys=True)
    assert end.value.code == 1
    printed = capsys.readouterr()
    assert "Andr\\xe9.png cannot be read as an image" in printed.err
    assert "mean of 1 photos" in printed.out


def test_the_alpha_channel_of_a_true_matte_is_the_matte(astronaut, tmp_path):
    arguments = two_photos(astronaut, tmp_path, "a")
    grey = astronaut[:96, :96, 0]
    assert main(arguments) == 0
    rgba = np.dstack([astronaut[:96, :96], grey])
    (tmp_path / "mattes" / "a.png").write_bytes(encode_png(rgba))
    assert main([*arguments[:-1], str(tmp_path / "rgba")]) == 0
    assert read(tmp_path / "rgba") == read(tmp_path / "out")


@pytest.mark.parametrize("output", ["own", "own/photos", "own/mattes"])
def test_true_mattes_and_photos_are_never_replaced(astronaut, tmp_path, output, capsys):
    arguments = two_photos(astronaut, tmp_path / "own", "a")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert main([*arguments, "--output", str(tmp_path / output)]) == 1
    assert "holds files that are read, which results could replace: choose another --output" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_options_that_a_test_set_does_not_take_are_refused(dataset, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(dataset, tmp_path / "out", "--trimaps", tmp_path)
    assert "--mattes, --trimaps and --suffix go with --photos" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_settings_that_measured_nothing_do_not_bind(astronaut, tmp_path, capsys):
    arguments = two_photos(astronaut, tmp_path, "a")
    assert main([*arguments, "--input-size", "16"]) == 1
    assert "input_size must be at least 32" in capsys.readouterr().err
    assert main(arguments) == 0
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["input_size"] == 64
