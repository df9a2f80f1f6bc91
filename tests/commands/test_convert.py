"""Photos become files, and what is to be said about each."""

import threading
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from infer_p3m_portrait_matting.commands import convert as module
from infer_p3m_portrait_matting.commands.convert import convert, convert_photos
from infer_p3m_portrait_matting.commands.destinations import Item


def test_two_threads_keep_what_the_core_says_apart(pipeline, photo, tmp_path, monkeypatch):
    """Both files have a colour profile that cannot be used, which the core logs while both are being read."""
    both, decode = threading.Barrier(2, timeout=60), module.decode

    def decode_together(*arguments):
        both.wait()
        image = decode(*arguments)
        both.wait()
        return image

    monkeypatch.setattr(module, "decode", decode_together)
    items = []
    for name in ("left", "right"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png", icc_profile=b"no profile")
        items.append(Item(tmp_path / f"{name}.png", {"matte": tmp_path / f"{name}_matte.png"}))
    with ThreadPoolExecutor(2) as threads:
        for item, report in zip(items, threads.map(lambda item: convert(item, pipeline), items), strict=True):
            assert report.error == ""
            (warning,) = report.warnings
            assert str(item.source) in warning
            assert "colour profile cannot be used" in warning


def test_an_error_without_words_is_an_error(pipeline, source, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr(module, "decode", fail)
    item = Item(source, {"matte": source.with_name("matte.png")})
    assert convert(item, pipeline).error == "ValueError"
    assert [(made, report.error) for made, report in convert_photos([item], pipeline)] == [(item, "ValueError")]
