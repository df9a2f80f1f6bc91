"""Several inputs, formats, and what is passed over; what is printed, and where."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from command_line import ROOT, SMALL, names, read, run
from PIL import Image

from infer_p3m_portrait_matting.commands import find_media
from infer_p3m_portrait_matting.commands.destinations import Wanted, many
from infer_p3m_portrait_matting.evaluate.__main__ import main as evaluate
from infer_p3m_portrait_matting.p3m.files.png import chunk


@pytest.fixture
def photos(photo, tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/c.png")):
        Image.fromarray(np.roll(photo, number, 1)).save(folder / name)
    return folder


def test_files_and_folders_go_into_one_folder(photos, tmp_path, capsys):
    (photos / "a.png").rename(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--feather", "1", photos, "-o", tmp_path / "results") == 0
    made = ["a_cutout.png", "photos/b_cutout.png", "photos/sub/c_cutout.png"]
    assert names(tmp_path / "results") == made
    streams = capsys.readouterr()
    assert sorted(streams.out.splitlines()) == sorted(str(tmp_path / "results" / name) for name in made)
    assert streams.err == "3 done\n"


def test_files_without_a_place_get_their_results_beside_them(photos, capsys):
    for done in ("3 done", "0 done, 3 were there already"):
        assert run(photos / "a.png", photos / "b.png", photos / "sub" / "c.png") == 0
        assert done in capsys.readouterr().err
    assert names(photos) == ["a.png", "a_cutout.png", "b.png", "b_cutout.png", "sub/c.png", "sub/c_cutout.png"]


def test_several_results_need_a_folder(photos, tmp_path, capsys):
    for place, words in (("out.png", "is named like a file"), (photos / "a.png", "is a file"), ("-", "one picture")):
        assert run(photos / "a.png", photos / "b.png", "-o", place) == 2
        assert words in capsys.readouterr().err
    assert run(photos / "a.png", photos, photos / "b.png") == 2
    assert "photos is a folder: name one for the results, for example" in capsys.readouterr().err
    assert run(photos / "a.png", photos / "b.png") == 2
    assert "for results of both, name a folder for them: -o results/" in capsys.readouterr().err
    assert names(photos) == ["a.png", "b.png", "sub/c.png"]


def test_formats_are_chosen_by_name(photos, tmp_path, expected):
    assert run(photos, tmp_path / "webp", "--format", "webp", "--write", "matte") == 0
    assert names(tmp_path / "webp") == ["a_matte.webp", "b_matte.webp", "sub/c_matte.webp"]
    np.testing.assert_array_equal(read(tmp_path / "webp" / "a_matte.webp")[..., 0], expected.matte)
    # JPEG holds no alpha: it gets the composite.
    assert run(photos, tmp_path / "jpg", "--format", "jpg", "--quality", "50") == 0
    assert names(tmp_path / "jpg") == ["a_composite.jpg", "b_composite.jpg", "sub/c_composite.jpg"]
    size = (tmp_path / "jpg" / "a_composite.jpg").stat().st_size
    assert run(photos / "a.png", tmp_path / "a.jpg") == 0
    assert size < (tmp_path / "a.jpg").stat().st_size


def test_formats_of_videos(tmp_path):
    def targets(formats, outputs=()):
        wanted = Wanted(outputs, False, True, *formats)
        (item,) = many([(tmp_path / "clip.mkv", True, tmp_path / "out")], wanted)
        return {name: str(path.relative_to(tmp_path / "out")) for name, path in item.targets.items()}

    assert targets(("", "")) == {"cutout": "clip_cutout.mov"}
    assert targets((".webp", ".webm")) == {"cutout": "clip_cutout.webm"}
    assert targets(("", ".mp4")) == {"composite": "clip_composite.mp4"}
    assert targets((".png", ".png"), ("matte",)) == {"matte": os.path.join("clip_matte", "%05d.png")}


def test_the_resolution_is_kept_and_notes_if_wanted(photo, tmp_path):
    exif = Image.Exif()
    exif[315] = "Ann"
    Image.fromarray(photo).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    assert run(tmp_path / "a.jpg") == 0
    assert run(tmp_path / "a.jpg", tmp_path / "kept.png", "--keep-metadata") == 0
    for name, notes in (("a_cutout.png", {}), ("kept.png", {315: "Ann"})):
        with Image.open(tmp_path / name) as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            assert dict(image.getexif()) == notes


def test_hidden_files_thumbnails_and_others_results_are_passed_over(photos, tmp_path, capsys):
    content = (photos / "a.png").read_bytes()
    for name in (".thumbnails/a.png", "@eaDir/a.png", "sub/.git/b.png", ".c.png", "Thumbs.db", "b_matte.png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(content)
    found = find_media.find(photos, tmp_path)
    assert [path.name for path, _ in found.media] == ["a.png", "b.png", "c.png"]
    assert (found.hidden, found.results, found.others) == (5, 1, [])
    assert run(photos, tmp_path / "results", "--write", "matte") == 0
    assert "passed over, hidden files and folders of thumbnails: 5" in capsys.readouterr().err
    # One that is named is not passed over.
    assert run(photos / ".c.png") == 0
    assert (photos / ".c_cutout.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="names with control characters")
def test_a_name_moves_no_cursor(photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / "a\x1b[2J\n.png")
    assert run(tmp_path / "a\x1b[2J\n.png") == 0
    (tmp_path / "bad\r.png").write_bytes(b"")
    assert run(tmp_path / "bad\r.png") == 1
    streams = capsys.readouterr()
    assert "\x1b" not in streams.out + streams.err
    assert "\r" not in streams.err
    assert r"a\x1b[2J\n_cutout.png" in streams.out
    assert r"bad\r.png" in streams.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_a_place_that_is_a_loop_of_links_is_one_line(photos, tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.png").symlink_to("loop.png")
    for arguments in (
        (photos / "a.png", tmp_path / "loop"),
        (photos / "a.png", tmp_path / "loop" / "out.png"),
        (photos, tmp_path / "loop"),
        (photos / "a.png", photos / "b.png", "-o", tmp_path / "loop"),
        (photos / "a.png", tmp_path / "loop.png"),
    ):
        assert run(*arguments) == 2
        text = capsys.readouterr().err
        assert text.startswith("p3m: error: ")
        assert text.count("\n") == 1
        assert "loop" in text


def test_names_that_are_too_long_or_none_are_refused_before_any_work(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("infer_p3m_portrait_matting.pipeline.pipeline.Pipeline.__init__", None)
    long = photos / f"{'n' * 245}.png"
    (photos / "a.png").rename(long)
    for arguments in ((long,), (photos / "b.png", tmp_path / f"{'é' * 130}.png"), (photos / "b.png", "\ud800.png")):
        assert run(*arguments) == 2
        text = capsys.readouterr().err
        assert text.startswith("p3m: error: ")
        assert text.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_closed_streams_are_one_line_or_none(photos):
    def shell(words):
        command = f"{sys.executable} -m infer_p3m_portrait_matting {' '.join(SMALL)} {words}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, shell=True, cwd=photos, env=environment, capture_output=True, text=True)

    for words, said in (("- out.png <&-", "standard input is closed"), ("a.png - >&-", "standard output is closed")):
        done = shell(words)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    for number, words in enumerate((">&-", "2>&-", "<&- >&- 2>&-")):
        assert shell(f"a.png {number}.png {words}").returncode == 0
        assert read(photos / f"{number}.png").shape[2] == 4


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("after", [0.3, 1.0, 2.0])
def test_ctrl_c_while_libraries_load(photos, after):
    """Python itself takes a moment before it runs anything of ours."""
    program = (
        "import sys, time\n"
        "print('ready', flush=True)\n"
        "from infer_p3m_portrait_matting.__main__ import main\n"
        "sys.exit(main())\n"
    )
    command = [sys.executable, "-c", program, str(photos / "a.png"), *SMALL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=100)
    if process.returncode != 0:
        assert process.returncode == 130, text
        assert text.endswith("p3m: stopped\n")
        assert "Traceback" not in text


#: A run that begins a file, and whose calls under way take long.
STUCK = """
import sys, time
from pathlib import Path
from infer_p3m_portrait_matting.__main__ import main
from infer_p3m_portrait_matting.commands import main as command
from infer_p3m_portrait_matting.p3m.files.write import Unfinished

def run():
    file, folder = Unfinished(Path(sys.argv[1], "a.png")), Unfinished(Path(sys.argv[1], "b"), is_folder=True)
    (folder.path / "1.png").write_bytes(b"png")
    try:
        print("begun", flush=True)
        time.sleep(100)
    finally:
        print("waiting", flush=True)
        time.sleep(100)

command.main = run
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_second_ctrl_c_waits_for_nothing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for said in ("begun", "waiting"):
        assert process.stdout.readline() == f"{said}\n"
        process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=50)
    assert (process.returncode, text) == (130, "p3m: stopped\n")
    assert list(tmp_path.iterdir()) == []


#: A run that is done; Ctrl-C comes while the interpreter shuts down.
LATE = """
import atexit, os, signal, sys
from infer_p3m_portrait_matting.__main__ import main
from infer_p3m_portrait_matting.commands import main as command

atexit.register(os.kill, os.getpid(), signal.SIGINT)
command.main = lambda: 0
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_ctrl_c_after_all_is_done_changes_nothing():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", ["[]", "7", "{", '"text"'])
def test_settings_of_an_evaluation_that_are_no_object_are_one_line(photos, tmp_path, content, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text(content)
    (tmp_path / "out" / "measured.jsonl").write_text(json.dumps({}) + "\n")
    arguments = ["--photos", photos, "--mattes", photos, "--output", tmp_path / "out", "--model", "mobile"]
    assert evaluate([str(argument) for argument in arguments]) == 1
    text = capsys.readouterr().err
    assert "settings.json holds no settings" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("crop", ["none", "5"])
def test_results_of_16_bits(photo, tmp_path, expected, crop):
    deep = photo.astype(np.uint16) * 257
    deep[::2] ^= 0x21
    assert cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    assert run(tmp_path / "a.png", "--depth", "16", "--write", "matte,cutout", "--crop", crop) == 0
    matte = cv2.imread(str(tmp_path / "a_matte.png"), cv2.IMREAD_UNCHANGED)
    person = cv2.cvtColor(cv2.imread(str(tmp_path / "a_cutout.png"), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    assert (matte.dtype, person.dtype) == (np.uint16, np.uint16)
    np.testing.assert_array_equal(person[..., 3], matte)
    assert len(np.unique(matte)) > 256
    opaque = matte == 65535
    assert opaque.mean() > 0.1
    if crop == "none":
        assert np.abs(matte / 257.0 - expected.matte).max() <= 1
        np.testing.assert_array_equal(person[opaque][:, :3], deep[opaque])
    else:
        assert matte.size < photo[..., 0].size
        assert (person[opaque][:, :3] % 257).any()


def test_16_bits_that_cannot_be_had_are_refused(photos, tmp_path, capsys):
    for arguments in (("out.tif",), ("out.png", "--write", "composite")):
        assert run(photos / "a.png", tmp_path / arguments[0], "--depth", "16", *arguments[1:]) == 2
        assert "--depth 16" in capsys.readouterr().err


@pytest.mark.parametrize(("orientation", "warned"), [(1, False), (3, True)])
def test_colours_that_lose_16_bits_are_said(photo, tmp_path, capsys, orientation, warned):
    assert cv2.imwrite(str(tmp_path / "a.png"), (photo.astype(np.uint16) * 257)[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = (tmp_path / "a.png").read_bytes()
    header = content.index(b"IHDR") + 4 + 13 + 4
    note = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\x00\x00"))
    (tmp_path / "a.png").write_bytes(content[:header] + note + content[header:])
    assert run(tmp_path / "a.png", "--depth", "16", "--write", "cutout") == 0
    assert ("those of the cut-out have the precision of 8 bits" in capsys.readouterr().err) == warned
    assert cv2.imread(str(tmp_path / "a_cutout.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_limit_of_megapixels_is_an_option(photos, tmp_path, monkeypatch, capsys, jobs):
    monkeypatch.setenv("P3M_MAX_MEGAPIXELS", "0.04")
    arguments = (photos, "-o", tmp_path / "results", "--jobs", jobs)
    assert run(*arguments) == 1
    assert "megapixels that are read" in capsys.readouterr().err
    assert run(*arguments, "--max-megapixels", "1") == 0
    assert names(tmp_path / "results") == ["a_cutout.png", "b_cutout.png", "sub/c_cutout.png"]


@pytest.mark.parametrize("limit", ["0", "-3", "nan", "inf", "many"])
def test_a_limit_of_megapixels_is_a_number_above_0(photos, limit, capsys):
    with pytest.raises(SystemExit) as ended:
        run(photos / "a.png", f"--max-megapixels={limit}")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("p3m: error: --max-megapixels")
