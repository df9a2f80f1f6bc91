"""The command line on folders: what is found, several processes, runs that are killed."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command_line import QUICK, RECORD, ROOT, SETTINGS, SMALL, names, read, run, start, wait_for
from PIL import Image
from videos import make_video

from infer_p3m_portrait_matting.commands import find_media, pool, record
from infer_p3m_portrait_matting.commands.destinations import Item, Wanted, many
from infer_p3m_portrait_matting.p3m import PortraitMatting
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import Settings


@pytest.fixture
def folder(photo, tmp_path):
    """Eight photos of many kinds in three folders, a hidden one, three broken files, and two of neither kind."""
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
def test_a_folder_with_its_subfolders(folder, photo, capsys):
    results = folder.parent / "results"
    assert run(folder, results) == 1
    assert names(results) == RESULTS
    np.testing.assert_array_equal(read(results / "a_png_cutout.png"), Pipeline(SETTINGS).run(photo, "photo").cutout)
    text = capsys.readouterr().err
    assert "8 done, 3 failed" in text
    check_failures(text)
    # Again: nothing is made twice.
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.png")}
    (results / "a_jpg_cutout.png").unlink()
    os.utime(folder / "UPPER.JPG", (time.time() + 5, time.time() + 5))
    assert run(folder, results) == 1
    assert "2 done, 6 were there already (--force makes them again), 3 failed" in capsys.readouterr().err
    changed = {path.name for path in results.rglob("*.png") if path.stat().st_mtime_ns != before[path]}
    assert changed == {"a_jpg_cutout.png", "UPPER_cutout.png"}
    assert run(folder, results, "--force") == 1
    assert "8 done, 3 failed" in capsys.readouterr().err


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
    found = find_media.find(tmp_path, tmp_path / "results")
    assert found.media == [(tmp_path / "photo", False)]
    assert found.others == [tmp_path / "notes"]


@pytest.mark.parametrize("package", ["installed", "missing"])
def test_heic_without_a_suffix_is_found(package, photo, tmp_path, monkeypatch):
    """Whether or not Pillow reads HEIC already, or ever: the photo's reader names the missing package."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is missing, which writes the photo")
    pillow_heif.from_pillow(Image.fromarray(photo)).save(tmp_path / "photo")
    (tmp_path / "notes").write_bytes(b"\0\0\0\x18ftypnote")
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    if package == "missing":
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    found = find_media.find(tmp_path, tmp_path / "results")
    assert found.media == [(tmp_path / "photo", False)]
    assert found.others == [tmp_path / "notes"]


def test_what_is_no_photo_by_its_name_is_passed_over(tmp_path):
    """A raw file's preview, and what macOS writes beside a file on a foreign disk."""
    Image.new("RGB", (10, 10)).save(tmp_path / "a.nef", "TIFF", tiffinfo={254: 1})
    Image.new("RGB", (10, 10)).save(tmp_path / "Dr. Smith", "TIFF")
    Image.new("RGB", (10, 10)).save(tmp_path / "b.jp2", "JPEG2000")
    (tmp_path / "._clip.mp4").write_bytes(b"notes")
    found = find_media.find(tmp_path, tmp_path / "results")
    assert [path.name for path, _ in found.media] == ["Dr. Smith", "b.jp2"]
    assert [path.name for path in found.others] == ["._clip.mp4", "a.nef"]


def test_videos_are_found_by_their_content(tmp_path):
    for name, kind in (("clip", "mov"), ("MOV001.MOD", "vob"), ("a.insv", "mov")):
        make_video(tmp_path / "clip.mkv", codec="mpeg2video" if kind == "vob" else "libx264", rate=25)
        with av.open(str(tmp_path / "clip.mkv")) as source, av.open(str(tmp_path / name), "w", format=kind) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        (tmp_path / "clip.mkv").unlink()
    Image.new("RGB", (10, 10)).save(tmp_path / "photo", "PNG")
    (tmp_path / "song.mod").write_bytes(b"M.K." * 500)
    found = find_media.find(tmp_path, tmp_path / "results")
    assert found.media == [
        (tmp_path / "MOV001.MOD", True),
        (tmp_path / "a.insv", True),
        (tmp_path / "clip", True),
        (tmp_path / "photo", False),
    ]
    assert found.others == [tmp_path / "song.mod"]


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
    for i in range(40):
        Image.fromarray(np.roll(photo, i, 1)).save(photos / f"{i:02}.png")

    def done():
        return len(list(results.glob("*.png")))

    for wanted in (3, 8):
        process = start(photos, results, "--jobs", jobs, *QUICK)
        wait_for(lambda: done() >= wanted)  # noqa: B023 - called at once
        workers = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The workers go with their parent.
        wait_for(lambda: not any(map(is_running, workers)), 30)  # noqa: B023
        for path in results.glob("*.png"):
            assert read(path).shape == (192, 256, 4)
    kept = {path: path.stat().st_mtime_ns for path in results.glob("*.png")}
    assert 8 <= len(kept) < 40, "killed too late to show anything"
    status, text = run(photos, results, "--jobs", jobs, *QUICK), capsys.readouterr().err
    assert status == 0, text
    assert f"{40 - len(kept)} done, {len(kept)} were there already" in text
    # A kill in the midst of a file leaves that one hidden and unfinished, and nothing under its name.
    assert [name for name in names(results) if not name.startswith(".")] == [f"{i:02}_cutout.png" for i in range(40)]
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_the_run_and_its_workers(photo, tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(60):
        Image.fromarray(photo).save(photos / f"{i:02}.png")
    process = start(photos, results, "--jobs", 2, *QUICK)
    wait_for(lambda: len(list(results.glob("*.png"))) >= 2)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, text
    assert "stopped" in text
    assert "Traceback" not in text
    wait_for(lambda: not any(map(is_running, workers)), 30)
    assert [path for path in results.iterdir() if path.suffix != ".png" and path.name != RECORD] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_that_dies_costs_no_other_photo(photo, tmp_path):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(40):
        Image.fromarray(np.roll(photo, i, 1)).save(photos / f"{i:02}.png")
    process = start(photos, results, "--jobs", 2, *QUICK)
    wait_for(lambda: len(list(results.glob("*.png"))) >= 2)
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children_of(process.pid)}
    os.kill(next(child for child, command in commands.items() if b"spawn_main" in command), signal.SIGKILL)
    text = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, text
    assert names(results) == [f"{i:02}_cutout.png" for i in range(40)]


@pytest.mark.slow
def test_a_second_run_keeps_out_of_the_same_results(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    for i in range(30):
        (photos / f"{i}.png").write_bytes(source.read_bytes())
    process = start(photos, results, *QUICK)
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
    command = [
        sys.executable,
        "-m",
        "infer_p3m_portrait_matting",
        str(folder),
        str(folder.parent / "out"),
        *SMALL,
        *QUICK,
    ]
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
    assert re.search(rb"11/11 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(file/s|s/file)\]", shown), shown.decode()


@pytest.mark.parametrize("fails", [False, True])
def test_photos_that_share_a_batch_become_the_same_files_as_alone(
    fails, pipeline, photo, tmp_path, monkeypatch, capsys
):
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
    monkeypatch.setattr(pipeline.model, "batch_size", 3)
    monkeypatch.setattr(PortraitMatting, "_run", watch)
    assert run(folder, together, "--output", "matte,cutout") == 1
    assert max(batches) == 3
    again = capsys.readouterr()
    assert "broken.jpg" in again.err
    assert again.err.replace(str(together), str(alone)) == told.err
    files = sorted(path.relative_to(alone) for path in alone.rglob("*.png"))
    assert len(files) == 10
    for file in files:
        np.testing.assert_array_equal(cv2.imread(str(together / file), -1), cv2.imread(str(alone / file), -1))


@pytest.mark.slow
def test_a_name_from_an_address_is_no_sequence(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    photo = photos / "My%20dad.png"
    source.rename(photo)
    mine = photos / "My%20dad_cutout.png"
    mine.write_bytes(b"mine")
    assert run(photo) == 2
    assert "My%20dad_cutout.png: there already" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    assert run(photo, photos / "%05d.png", "--output", "matte,cutout") == 0
    assert {"%05d_matte.png", "%05d_cutout.png"} < set(names(photos))
    for name in ("%05d_matte.png", "%05d_cutout.png"):
        (photos / name).unlink()
    assert run(photos, results) == 0
    assert names(results) == ["My%20dad_cutout.png"]
    before = (results / "My%20dad_cutout.png").stat().st_mtime_ns
    assert run(photos, results) == 0
    assert (results / "My%20dad_cutout.png").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_name_that_leaves_no_room_for_the_result_s_ends_no_run(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    (photos / f"{'n' * 250}.png").write_bytes(source.read_bytes())
    source.rename(photos / "a.png")
    for count in ("1 done, 1 failed", "0 done, 1 were there already (--force makes them again), 1 failed"):
        assert run(photos, results) == 1
        assert count in capsys.readouterr().err
    assert names(results) == ["a_cutout.png"]


def test_no_name_passes_to_a_photo_that_is_added(tmp_path):
    def targets(*photos):
        wanted = Wanted(("matte",), False, True)
        items = many([(tmp_path / name, False, tmp_path / "results") for name in photos], wanted)
        return {item.source.name: item.targets["matte"].name for item in items}

    alone, together = targets("a_jpg.webp"), targets("a_jpg.webp", "a.jpg", "a.png")
    assert together["a.jpg"] == "a_jpg_matte.png"
    assert alone["a_jpg.webp"] == together["a_jpg.webp"] == "a_jpg_webp_matte.png"
    assert len(set(together.values())) == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_photo_that_is_offered_to_dying_workers_is_made_all_the_same(photo, tmp_path):
    items = []
    for name in ("a", "b", "c", "d"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
        items.append(Item(tmp_path / f"{name}.png", {"matte": tmp_path / f"{name}_matte.png"}))
    reports = pool.convert_all(items, Settings(model_name="mobile", input_size=64), 2, few=True)
    made = [next(reports)]
    for child in children_of(os.getpid()):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    time.sleep(1)
    made += reports
    assert sorted(item.source.name for item, _ in made) == ["a.png", "b.png", "c.png", "d.png"]
    assert not any(report.error for _, report in made)


def _work_and_die_once(item):
    """Runs in a worker: die after the files have their names, but before the report, if it is the first try."""
    report = pool._work(item)
    first_try = item.source.with_suffix(".tried")
    if not first_try.exists():
        first_try.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return report


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_what_a_worker_finished_before_it_died_is_no_stranger(photo, tmp_path, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    settings = Settings(model_name="mobile", input_size=64)
    items = record.plan([Item(tmp_path / "a.png", {"matte": tmp_path / "a_matte.png"})], settings, force=False).todo
    monkeypatch.setattr(pool, "_work", _work_and_die_once)
    reports = [report for _, report in pool.convert_all(items, settings, 2, few=True)]
    assert [report.error for report in reports] == [""]
    assert (tmp_path / "a.tried").exists()
    assert names(tmp_path) == ["a.png", "a.tried", "a_matte.png"]


def test_what_is_neither_file_nor_folder_is_passed_over(tmp_path):
    """Reading a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = find_media.find(tmp_path, tmp_path / "results")
    assert (found.media, [path.name for path in found.others]) == ([], ["pipe", "pipe.jpg"])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and devices are of Linux")
def test_links_into_the_system_are_passed_over(tmp_path):
    """Reading them may wait, or never end."""
    (tmp_path / "a.jpg").symlink_to("/proc/self/mem")
    (tmp_path / "b").symlink_to("/proc/self/environ")
    (tmp_path / "c.png").symlink_to("/dev/zero")
    (tmp_path / "system").symlink_to("/proc/self")
    found = find_media.find(tmp_path, tmp_path / "results")
    assert (found.media, [path.name for path in found.others]) == ([], ["a.jpg", "b", "c.png"])


def test_one_odd_file_without_a_suffix_ends_no_run(tmp_path, monkeypatch):
    """Pillow has raised a struct.error, an IndexError and others for damaged heads."""
    Image.new("RGB", (10, 10)).save(tmp_path / "photo.png")
    (tmp_path / "odd").write_bytes(b"II*\0")

    def odd(*_, **__):
        raise IndexError("odd")

    monkeypatch.setattr(Image, "open", odd)
    found = find_media.find(tmp_path, tmp_path / "results")
    assert found.media == [(tmp_path / "photo.png", False)]
    assert found.others == [tmp_path / "odd"]


@pytest.mark.slow
def test_a_folder_of_one_photo_says_that_it_is_done_already(source, tmp_path, capsys):
    photos, results = tmp_path / "photos", tmp_path / "results"
    photos.mkdir()
    source.rename(photos / "a.png")
    assert run(photos, results) == 0
    capsys.readouterr()
    assert run(photos, results, "--feather", "9") == 0
    assert "0 done, 1 were there already (--force makes them again)" in capsys.readouterr().err
    # A file that a power cut has left without content is none.
    (results / "a_cutout.png").write_bytes(b"")
    assert run(photos, results) == 0
    assert read(results / "a_cutout.png").shape[2] == 4


@pytest.mark.parametrize("forced", [True, False])
def test_after_ctrl_c_only_what_is_resumed_is_said_to_be(forced, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("infer_p3m_portrait_matting.commands.main._run", interrupted)
    assert run(tmp_path, tmp_path / "results", *(["--force"] if forced else [])) == 130
    assert ("goes on where it was" in capsys.readouterr().err) is not forced


def test_photos_where_nobody_was_found_are_listed_at_the_end(photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo).save(folder / "somebody.png")
    for name in ("sky.png", "wall.png"):
        Image.new("RGB", (160, 120), (120, 150, 190)).save(folder / name)
    assert run(folder, tmp_path / "results") == 0
    said = capsys.readouterr().err
    assert names(tmp_path / "results") == ["sky_cutout.png", "somebody_cutout.png", "wall_cutout.png"]
    *_, title, sky, wall = said.splitlines()
    assert title == "nobody was found in:"
    assert [sky.strip(), wall.strip()] == [str(folder / "sky.png"), str(folder / "wall.png")]
    assert f"warning: nobody was found in {folder / 'sky.png'}" in said


@pytest.mark.parametrize(
    ("count", "options", "idle"),
    [
        (1, ["--temporal"], ["--temporal has no effect without a video"]),
        (1, ["--jobs", "2"], ["--jobs has no effect on one photo"]),
        (2, ["--temporal", "--jobs", "1"], ["--temporal has no effect without a video"]),
        (2, ["--jobs", "1", "--no-temporal"], []),
        (0, ["--temporal"], []),
    ],
)
def test_options_that_have_no_effect_on_what_a_folder_holds_are_named(tmp_path, capsys, count, options, idle):
    (tmp_path / "photos").mkdir()
    for index in range(count):
        (tmp_path / "photos" / f"{index}.jpg").write_bytes(b"no picture")
    assert run(tmp_path / "photos", tmp_path / "results", *options) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("warning: ") for line in lines if "no effect" in line] == idle
