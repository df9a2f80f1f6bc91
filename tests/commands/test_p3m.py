"""The command line on one photo, and its options."""

import io
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from command_line import ROOT, SETTINGS, names, p3m, read, run
from PIL import Image

from infer_p3m_portrait_matting.commands.main import main
from infer_p3m_portrait_matting.commands.options import parse
from infer_p3m_portrait_matting.p3m import Box, PortraitMatting, __version__, matte_person, to_uint8
from infer_p3m_portrait_matting.p3m.files.formats import PHOTO_FORMATS, PhotoFormat
from infer_p3m_portrait_matting.p3m.video import formats
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import Settings


def test_a_photo_gives_its_cutout_beside_it(source, expected, capsys):
    assert run(source) == 0
    np.testing.assert_array_equal(read(source.with_name("photo_cutout.png")), expected.cutout)
    assert names(source.parent) == ["photo.png", "photo_cutout.png"]
    streams = capsys.readouterr()
    assert streams.out == f"{source.with_name('photo_cutout.png')}\n"
    assert streams.err == ""


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


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as ended:
        run("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"p3m {__version__}\n"


def test_jpeg_gets_the_composite_and_no_cutout(source, expected, capsys):
    target = source.with_name("out.jpg")
    assert run(source, target) == 0
    assert np.abs(read(target).astype(int) - expected.composite).mean() < 3
    assert run(source, target, "--output", "cutout") == 2
    assert "holds no alpha; choose .png" in capsys.readouterr().err
    assert run(source, target, "--background", "transparent") == 2


def test_formats_without_alpha_are_known_from_the_tables_of_formats(source, capsys, monkeypatch):
    monkeypatch.setitem(PHOTO_FORMATS, ".bmp", PhotoFormat("BMP", False, {}))
    monkeypatch.setitem(formats.FORMATS, ".mkv", formats.FORMATS[".mp4"])
    clip = source.with_name("clip.avi")
    clip.write_bytes(b"")
    for path, suffix, better in ((source, ".bmp", ".png, .webp or .tif"), (clip, ".mkv", ".mov or .webm")):
        target = source.with_name(f"out{suffix}")
        # A composite with alpha is refused before anything is loaded or read.
        assert run(path, target, "--background", "transparent") == 2
        assert f"{target}: {suffix} holds no alpha" in capsys.readouterr().err
        assert run(path, target, "--output", "cutout") == 2
        assert f"{suffix} holds no alpha; choose {better}, or --write composite" in capsys.readouterr().err


@pytest.mark.parametrize("time", [1, 2**31])
def test_what_is_there_and_no_result_is_never_replaced(source, time, capsys):
    """Whether older or newer than the photo, it may be anything, such as another photo that a pattern has named."""
    target = source.with_name("out.png")
    target.write_bytes(b"mine")
    os.utime(target, (time, time))
    for force in ([], ["--force"]):
        assert run(source, target, *force) == 2
        assert target.read_bytes() == b"mine"
        assert "out.png: there already, and p3m did not make it" in capsys.readouterr().err
    target.unlink()
    assert run(source, target, "--force") == 0
    assert read(target).shape[2] == 4


def test_too_little_memory_is_said_with_what_to_lower(source, capsys, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr("infer_p3m_portrait_matting.p3m.PortraitMatting.matte", greedy)
    assert run(source) == 1
    assert "256 x 192 px: lower input_size, or the photo's size" in capsys.readouterr().err
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
    model = PortraitMatting("mobile", "cpu", runtime="onnxruntime")
    alpha = matte_person(lambda part: model.matte(part, input_size=128), pair, Box(0, 0, 256, 192))
    np.testing.assert_array_equal(read(tmp_path / "pair_matte.png"), to_uint8(alpha))
    assert alpha[:, 270:].max() == 0 < alpha[:, :256].max()
    # In a batch everybody would be cut out.
    monkeypatch.setattr(PortraitMatting, "batch_size", 3, raising=False)
    assert Pipeline(replace(SETTINGS, subject="box", box="0,0,9,9")).batch_size == 1


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
        (["photo.png", "--model", "large"], "--model must be one of resnet34, vitae-s, mobile, got 'large'"),
        (["photo.png", "--input-size", "many"], "--input-size must be an integer, got 'many'"),
        (["photo.png", "--input_size", "many"], "--input_size must be an integer, got 'many'"),
        (["photo.png", "--model", "resnet43"], "got 'resnet43': did you mean resnet34?"),
        (["photo.png", "--backgruond", "red"], "there is no option --backgruond: did you mean --background?"),
        (["photo.png", "--write", "out/x.png"], "--write takes matte, cutout, composite"),
        (["photo.png", "--output", "out/x.png"], "got 'out/x.png': -o out/x.png says where results go"),
        (["photo.png", "--output", "cutuot"], "did you mean cutout?"),
        (["https://example.org/a.jpg"], "https://example.org/a.jpg is an address: download the file first"),
        (["photo.png", "--jobs", "2"], "--jobs has no effect on one photo"),
        (["photo.png", "--temporal"], "--temporal has no effect without a video"),
        (["photo.png", "--quality", "80"], "--quality has no effect without .jpg or .webp"),
        (["photo.png", "out.jpg", "--quality", "0"], "--quality must lie between 1 and 100, got 0"),
        (["photo.png", "out.png", "--format", "webp"], "--format has no effect beside out.png"),
        (["photo.png", "--format", "gif"], "--format takes png, webp, jpg, tif for photos"),
        (["photo.png", "--format", "jpg", "--write", "cutout"], ".jpg holds no alpha"),
        (["photo.png", "--keep-place"], "--keep-place has no effect without --keep-metadata"),
        (["photo.png", "-", "photo.png"], "goes with no other input"),
        (
            ["photo.png", ".", "results/"],
            "no photo, video or folder results/: for a place of results write -o",
        ),
        ([], "name a photo, a video or a folder"),
        (["photo.png", "--jobs", "0"], "--jobs must be at least 1"),
        (["photo.png", "--background", "image"], "needs --background-file"),
        (["photo.png", "--background", "red", "--background-file", "photo.png"], "--background-file has no effect"),
        (["photo.png", "--subject", "largest", "--box", "1,2,30,40"], '--box has no effect without subject "box"'),
        (["photo.png", "--anonymize-strict"], '--anonymize-strict has no effect without anonymize "blur"'),
        (["photo.png", "--colour", "red"], "there is no option --colour"),
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
    assert error.startswith("p3m: error: ")
    assert error.count("\n") == 1
    assert names(source.parent) == ["photo.png"]


def test_a_background_file_implies_the_background(source, tmp_path, photo):
    beach = np.full((50, 50, 3), (10, 200, 30), np.uint8)
    Image.fromarray(beach).save(tmp_path / "beach.png")
    assert run(source, "--background-file", tmp_path / "beach.png") == 0
    settings = replace(SETTINGS, background="image", background_file=str(tmp_path / "beach.png"))
    wanted = Pipeline(settings, few=True).run(photo, "photo").composite
    np.testing.assert_array_equal(read(tmp_path / "photo_composite.png"), wanted)


def test_every_parameter_of_the_task_is_an_option_under_its_name(capsys):
    with pytest.raises(SystemExit) as end:
        parse(["--help-all"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(Settings):
        assert f"--{field.name.replace('_', '-')}" in text
    assert "longest side of what the network sees, in steps of 32" in text
    assert "(64 to 8192 pixels; default: 1024)" in text
    assert "vitae-s is the published ViTAE-S" in text


def test_the_short_help_fits_on_one_screen(capsys):
    with pytest.raises(SystemExit) as end:
        parse(["--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80


def test_options_become_the_parameters(samples):
    for sample in samples:
        options = [f"--{name.replace('_', '-')}={text}" for name, text in sample.to_strings().items() if text]
        switches = {name for name, value in vars(sample).items() if isinstance(value, bool)}
        for name in switches:
            dashed = name.replace("_", "-")
            options.remove(f"--{dashed}={getattr(sample, name)}")
            options.append(f"--{dashed}" if getattr(sample, name) else f"--no-{dashed}")
        assert parse(["a.jpg", *options]).settings == sample
    request = parse(["a.jpg", "b.png", "--model", "vitae-s", "--input_size=640", "--no-cuda", "--jobs", "3", "--force"])
    # Videos are steadied unless told otherwise; the task's default is another.
    assert request.settings == Settings(model_name="vitae-s", input_size=640, cuda="False", temporal=True)
    assert not request.temporal
    assert parse(["a.mp4", "--temporal"]).temporal
    assert not parse(["a.mp4", "--no-temporal"]).settings.temporal
    assert (request.inputs, request.output, request.jobs, request.force) == (["a.jpg"], "b.png", 3, True)


def test_help_and_wrong_options_are_answered_without_torch():
    for arguments, status in ((["--help"], 0), (["a.jpg", "--feather", "soft"], 2)):
        code = (
            "import atexit, sys\n"
            "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
            "from infer_p3m_portrait_matting.commands.main import main\n"
            f"main({arguments!r})\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert (done.returncode, done.stderr.splitlines()[-1]) == (status, "False")


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


def test_what_replaces_something_missing_is_said_in_plain_words(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("P3M_WEIGHTS_DIR", str(tmp_path / "none"))
    assert run(source, "--model", "resnet34") == 0
    text = capsys.readouterr().err
    assert "warning: the published weights of 'resnet34' are not here" in text
    assert "Notice(" not in text
    assert run(source, "--model", "mobile", "--force") == 0
    assert "warning" not in capsys.readouterr().err


def test_what_an_editor_rubbed_out_of_a_photo_does_not_come_back(photo, tmp_path):
    own = np.full(photo.shape[:2], 255, np.uint8)
    own[:, 128:] = 0
    Image.fromarray(np.dstack([photo, own])).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", tmp_path / "out.png") == 0
    cutout = read(tmp_path / "out.png")
    assert (cutout[:, 128:, 3] == 0).all()
    assert cutout[:, :128, 3].max() == 255


def test_a_background_picture_with_alpha_is_put_on_white(source, tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "b.png")
    assert run(source, tmp_path / "out.png", "--background-file", tmp_path / "b.png", "--output", "composite") == 0
    assert run(source, tmp_path / "white.png", "--background", "white", "--output", "composite") == 0
    np.testing.assert_array_equal(read(tmp_path / "out.png"), read(tmp_path / "white.png"))


def test_what_was_odd_about_a_file_is_a_warning_of_its_own(photo, tmp_path, capsys):
    pages = [Image.fromarray(photo) for _ in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert run(tmp_path / "a.tif", tmp_path / "out.png") == 0
    assert capsys.readouterr().err.count("a.tif has 2 pictures; the first was taken") == 1
