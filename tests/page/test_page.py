"""The built page in a real browser: what it computes, what it asks of the network, and each of its controls."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser_page import Page, Server
from PIL import Image

from infer_p3m_portrait_matting.p3m import (
    PortraitMatting,
    adjust,
    blurred_background,
    composite,
    cutout,
    estimate_foreground,
    load_photo,
    person_window,
)
from infer_p3m_portrait_matting.p3m.arrays import to_uint8

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "page" / "sample.jpg"


def draw_picture(seed: int, person: np.ndarray, height: int, width: int) -> np.ndarray:
    """Put somebody before a background of lines and discs: uint8 [height, width, 3] RGB.

    Args:
        seed: of the background.
        person: a cut-out, uint8 [h, w, 4] RGBA.
        height, width: the picture's size in pixels.
    """
    rng = np.random.default_rng(seed)
    picture = np.linspace((70, 110, 150), (190, 200, 180), height)[:, None].repeat(width, 1).astype(np.uint8)
    for _ in range(12):
        color = rng.integers(60, 220, 3).tolist()
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(picture, center, int(rng.integers(10, height // 4)), color, -1, cv2.LINE_AA)
        cv2.line(picture, center, (int(rng.integers(width)), int(rng.integers(height))), color, 3, cv2.LINE_AA)
    h, w = height * 9 // 10, height * 9 * person.shape[1] // person.shape[0] // 10
    large = cv2.resize(person, (w, h), interpolation=cv2.INTER_CUBIC)
    place = picture[height - h :, (width - w) // 2 :][:, :w]
    share = large[..., 3:] / np.float32(255)
    place[...] = place * (1 - share) + large[..., :3] * share
    return picture


@pytest.fixture(scope="module")
def matting() -> PortraitMatting:
    return PortraitMatting(device="cpu", runtime="onnxruntime")


@pytest.fixture(scope="module")
def person(matting: PortraitMatting) -> np.ndarray:
    photo = load_photo(ASTRONAUT)
    alpha = matting.matte(photo)
    return cutout(estimate_foreground(photo, alpha), alpha)


def share_beyond(found: np.ndarray, wanted: np.ndarray, by: int) -> float:
    """The share of the pixels of two uint8 pictures that differ by more."""
    assert found.shape == wanted.shape
    return float((cv2.absdiff(found, wanted) > by).mean())


def test_mattes_and_cutouts_are_those_of_python(
    page: Page, tmp_path: Path, matting: PortraitMatting, person: np.ndarray
):
    photos = [ASTRONAUT]
    # One of the usual shape, and one that is matted piece by piece.
    for seed, (height, width) in enumerate([(800, 640), (300, 1000)]):
        photos.append(tmp_path / f"drawn_{seed}.png")
        Image.fromarray(draw_picture(seed, person, height, width)).save(photos[-1])
    page.open()
    for path in photos:
        page.add(path)
        page.wait(f"document.getElementById('stage').ariaLabel.includes('{path.name}')")
        page.wait_done()
        photo = load_photo(path)
        alpha = matting.matte(photo)
        assert 0.02 < alpha.mean() < 0.98
        assert share_beyond(page.save("matte"), to_uint8(alpha), 2) <= 1e-3, path.name
        wanted = cutout(estimate_foreground(photo, alpha), alpha)
        assert share_beyond(page.save("cutout"), cv2.cvtColor(wanted, cv2.COLOR_RGBA2BGRA), 2) <= 2e-3, path.name
    assert page.troubles() == []


def test_each_control_does_what_python_does(page: Page, server: Server, tmp_path: Path, matting: PortraitMatting):
    photo = load_photo(ASTRONAUT)
    raw = matting.matte(photo)
    picture = tmp_path / "background.png"
    Image.fromarray(np.full((80, 60, 3), (20, 200, 90), np.uint8)).save(picture)
    page.open()
    before = len(server.requests)
    page.click("sample")
    page.wait_done()

    def expect(adjusted: np.ndarray) -> None:
        assert share_beyond(page.save("matte"), to_uint8(adjusted), 2) <= 1e-3

    page.set("feather", 4)
    expect(adjust(raw, feather=4))
    page.set("shift", -6)
    expect(adjust(raw, feather=4, shift=-6))
    page.set("feather", 0)
    page.set("shift", 3)
    expect(adjust(raw, shift=3))
    page.set("shift", 0)

    colors = estimate_foreground(photo, raw)
    page.choose("background", "color")
    page.run("document.querySelectorAll('#swatches button')[2].click()")
    on_black = composite(colors, raw, (0x16, 0x18, 0x1B))
    assert share_beyond(page.save("composite"), on_black[..., ::-1], 2) <= 2e-3
    page.choose("background", "blur")
    page.set("blur", 3)
    on_blurred = composite(colors, raw, blurred_background(photo, raw, 0.03))
    assert share_beyond(page.save("composite"), on_blurred[..., ::-1], 2) <= 2e-3
    page.give_background(picture)
    page.choose("background", "picture")
    on_green = composite(colors, raw, (20, 200, 90))
    assert share_beyond(page.save("composite"), on_green[..., ::-1], 2) <= 2e-3
    page.choose("background", "none")
    assert page.run("return document.getElementById('save-composite').disabled")

    page.choose("crop", "person")
    page.set("margin", 10)
    window = person_window(raw, 10)
    assert window is not None
    assert share_beyond(page.save("matte"), to_uint8(raw)[window], 2) <= 1e-3
    page.choose("crop", "none")
    expect(raw)

    height, width = raw.shape
    middle = height // 2, width // 2
    page.choose("tool", "remove")
    page.stroke((-0.1, 0), (0.1, 0))
    page.choose("tool", "keep")
    page.press("]")
    page.stroke((-0.45, -0.5), (-0.4, -0.5))
    matte = page.save("matte")
    assert matte[middle] == 0
    assert matte[middle[0] - width // 2, middle[1] - int(0.42 * width)] == 255
    for _ in range(2):
        page.click("undo")
        page.wait_done()
    expect(raw)
    page.click("redo")
    page.wait_done()
    assert page.save("matte")[middle] == 0
    page.choose("tool", "decide")
    page.stroke((-0.1, 0), (0.1, 0))
    # The network decides again, and knows better than the stroke that removed a part of the face.
    assert page.save("matte")[middle] > 250
    page.click("clear")
    page.wait_done()
    expect(raw)

    page.choose("tool", "move")
    percent = "return document.getElementById('zoom-actual').textContent"
    page.click("zoom-actual")
    assert page.run(percent) == "100 %"
    page.click("zoom-in")
    assert page.run(percent) == "150 %"
    page.click("zoom-out")
    page.click("zoom-fit")
    page.click("compare")
    assert page.run("return document.getElementById('divider').ariaValueNow") == "50"
    page.press("c")
    assert page.run("return document.getElementById('divider').ariaValueNow") == "0"
    page.click("about")
    assert page.run("return document.getElementById('about-dialog').open")
    # Nothing of all this has asked anything of the network. The browser itself may look for a newer service worker.
    assert set(server.requests[before:]) <= {f"{server.address}service-worker.js"}
    assert page.troubles() == []


def test_a_free_crop_is_drawn_by_mouse_and_keyboard(page: Page):
    page.open()
    page.click("sample")
    page.wait_done()
    whole = page.save("matte")
    height, width = whole.shape

    def box() -> dict[str, int]:
        sides = "[...document.querySelectorAll('#crop-box [data-side]')]"
        found = page.run(f"return Object.fromEntries({sides}.map((x) => [x.dataset.side, Number(x.ariaValueNow)]))")
        assert isinstance(found, dict)
        return found

    def expect_saved() -> None:
        left, top, right, bottom = (box()[side] for side in ("left", "top", "right", "bottom"))
        size = f"{right - left} \u00d7 {bottom - top} px"
        assert page.run("return document.getElementById('crop-size').textContent") == size
        assert page.run("return document.getElementById('save-size').textContent") == f"PNG, {size}"
        np.testing.assert_array_equal(page.save("matte"), whole[top:bottom, left:right])

    page.choose("crop", "box")
    assert box() == {"left": 0, "top": 0, "right": width, "bottom": height}
    scale = page.run("return document.getElementById('crop-box').clientWidth") / width
    by = round(50 * scale)
    page.drag("#crop-box [data-side=right]", -by, 30)
    assert box() == {"left": 0, "top": 0, "right": pytest.approx(width - 50, abs=1), "bottom": height}
    page.drag("#crop-box .corner", by, 2 * by)
    assert box()["left"] == pytest.approx(50, abs=1)
    assert box()["top"] == pytest.approx(100, abs=1)
    expect_saved()
    # The box itself, as far as the photo goes.
    before = box()
    page.drag("#crop-box", by, -3 * by)
    after = box()
    assert after["top"] == 0
    assert after["right"] == width
    assert after["bottom"] == before["bottom"] - before["top"]
    assert after["right"] - after["left"] == before["right"] - before["left"]

    step = round(0.01 * height)
    page.press_at("#crop-box [data-side=left]", "ArrowRight", "ArrowRight", "Shift+ArrowRight")
    assert box() == {**after, "left": after["left"] + 2 * step + 1}
    page.press_at("#crop-box [data-side=bottom]", "End")
    assert box()["bottom"] == height
    page.press_at("#crop-box [data-side=top]", "Shift+ArrowDown", "End")
    assert box()["bottom"] - box()["top"] == 16
    page.press_at("#crop-box", "Home")
    assert (box()["left"], box()["top"]) == (0, 0)
    expect_saved()
    unnamed = "[...document.querySelectorAll('#crop-box, #crop-box [role]')].filter((x) => !x.ariaLabel).length"
    assert page.run(f"return {unnamed}") == 0

    page.choose("crop", "none")
    np.testing.assert_array_equal(page.save("matte"), whole)
    page.choose("crop", "box")
    expect_saved()
    page.click("crop-reset")
    np.testing.assert_array_equal(page.save("matte"), whole)
    # The crop around the person is where a free one begins.
    page.choose("crop", "person")
    page.set("margin", 0)
    person = page.save("matte")
    assert person.size < whole.size
    page.choose("crop", "box")
    assert (box()["bottom"] - box()["top"], box()["right"] - box()["left"]) == person.shape
    np.testing.assert_array_equal(page.save("matte"), person)
    assert page.troubles() == []


def test_first_visit_is_small_and_the_second_one_needs_no_network(page: Page, server: Server):
    page.open()
    assert [address for address in server.requests if not address.startswith(server.address)] == []
    assert server.sent <= 14e6, f"{server.sent / 1e6:.1f} MB"
    seen = len(server.requests)
    server.stop()
    page.open()
    assert page.run("return crossOriginIsolated")
    page.click("sample")
    page.wait_done()
    assert (page.save("cutout")[..., 3] > 250).mean() > 0.2
    assert server.requests[seen:] == []


def test_photos_that_cannot_be_used_are_named_with_the_reason(page: Page, tmp_path: Path):
    flat = tmp_path / "flat.png"
    Image.fromarray(np.full((300, 400, 3), 128, np.uint8)).save(flat)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    (tmp_path / "notes.txt").write_text("no photo")
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 10000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(png)
    page.open()
    page.add(tmp_path / "notes.txt")
    page.wait("document.getElementById('welcome-words').textContent.includes('no photo')")
    for name, words in (
        ("flat.png", "Nobody was found"),
        ("broken.jpg", "broken.jpg is no photo that this browser can read"),
        ("phone.heic", "phone.heic is a HEIC photo"),
        ("huge.png", "huge.png has 200 megapixels. This browser has memory for about 64."),
    ):
        page.add(tmp_path / name)
        page.wait(f"document.getElementById('notice-words').textContent.includes({words!r})", seconds=60)
        if name == "flat.png":
            # The photo shows, not its empty result.
            page.wait_done()
            assert page.run("return document.getElementById('divider').ariaValueNow") == "100"


def test_a_smaller_copy_is_offered_and_a_run_can_be_cancelled(page: Page, tmp_path: Path):
    large = tmp_path / "large.jpg"
    Image.open(ASTRONAUT).resize((7200, 9000)).save(large, quality=60)
    page.open()
    page.add(large)
    page.wait("!document.getElementById('notice').hidden")
    page.run("document.querySelector('#notice-actions button').click()")
    page.wait("!document.getElementById('busy').hidden")
    page.click("cancel")
    page.wait("document.getElementById('notice-words').textContent.startsWith('Cancelled')")
    page.run("document.querySelector('#notice-actions button').click()")
    page.wait("document.getElementById('notice').hidden")
    page.wait_done()
    matte = page.save("matte")
    assert abs(matte.size - 12e6) < 0.01e6


def test_several_photos_share_a_strip(page: Page, tmp_path: Path):
    turned = tmp_path / "turned.jpg"
    image = Image.open(ASTRONAUT)
    exif = image.getexif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=95)
    page.open()
    page.add(ASTRONAUT, turned)
    page.wait_done()
    thumbs = "document.querySelectorAll('#strip .thumb > button:first-child')"
    page.wait(f"{thumbs}.length === 2")
    first = page.save("matte")
    page.run(f"{thumbs}[1].click()")
    page.wait("document.getElementById('save-cutout').disabled")
    page.wait_done()
    # The orientation in the file counts.
    second = page.save("matte")
    assert second.shape == first.shape
    assert np.abs(second.astype(float) - first).mean() < 3
    page.run("document.querySelectorAll('#strip .out')[1].click()")
    page.wait("document.getElementById('strip').hidden")
    page.wait_done()
    np.testing.assert_array_equal(page.save("matte"), first)
