"""One recipe: photos and frames in, pictures and warnings out, from one thread or several."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import Box, Face, Guide, PortraitMatting, crop_to_fill, matte_person, to_uint8
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import Settings
from infer_p3m_portrait_matting.pipeline.video import Video


def pipeline_with(**parameters) -> Pipeline:
    return Pipeline(Settings(model_name="mobile", input_size=64, cuda="False", **parameters))


@pytest.fixture(scope="module")
def nobody():
    return np.random.default_rng(0).integers(0, 256, (128, 160, 3), dtype=np.uint8)


def no_faces(monkeypatch, found=lambda image, **_: []):
    monkeypatch.setattr("infer_p3m_portrait_matting.pipeline.pictures.find_faces", found)


def test_warnings_are_part_of_the_result_and_nothing_is_logged(nobody, caplog, monkeypatch):
    no_faces(monkeypatch)
    pipeline = pipeline_with(anonymize="blur", crop="10")
    with seeing_nobody(pipeline):
        result = pipeline.run(nobody, "holiday.jpg")
    face, person, crop = result.warnings
    assert face.startswith("anonymize: no face was found in holiday.jpg")
    assert person.startswith("nobody was found in holiday.jpg")
    assert crop.startswith("crop: nobody is in the matte")
    assert result.matte.shape == nobody.shape[:2]
    assert caplog.records == []


@contextmanager
def seeing_nobody(pipeline):
    """Let the global pass leave no doubt that every pixel is background."""
    network = pipeline.model.model
    network.segment, segment = lambda x: segment(x) * 0 + x.new_tensor([50.0, 0, 0]).view(1, 3, 1, 1), network.segment
    try:
        yield
    finally:
        del network.segment


def test_a_photo_where_nobody_is_found_is_said_with_what_its_faces_tell(astronaut):
    pipeline = pipeline_with()
    with seeing_nobody(pipeline):
        upright, turned = (pipeline.run(photo, "a.jpg") for photo in (astronaut, np.rot90(astronaut).copy()))
    assert not upright.has_person
    assert not turned.has_person
    assert upright.matte.max() == 0
    (text,) = upright.warnings
    assert text.startswith("nobody was found in a.jpg")
    assert "although there is a face (x 2" in text  # the face is left of the middle of 512 px
    (text,) = turned.warnings
    assert text.startswith("nobody was found in a.jpg")
    assert "turn the photo" in text
    found = pipeline.run(astronaut, "a.jpg")
    assert found.has_person
    assert found.warnings == ()


def test_frames_where_nobody_is_found_are_not_said_one_by_one(nobody):
    pipeline = pipeline_with()
    with seeing_nobody(pipeline):
        result = pipeline.run(nobody, "frame 1", Video())
    assert not result.has_person
    assert result.warnings == ()


def test_two_threads_keep_their_warnings_apart(nobody, monkeypatch):
    """They share the pipeline, and each has found no face before the other goes on."""
    both = threading.Barrier(2, timeout=60)

    def found(image, **_):
        both.wait()
        return []

    no_faces(monkeypatch, found)
    pipeline = pipeline_with(anonymize="blur")

    def warnings(name):
        return [pipeline.run(nobody, f"{name} {number}").warnings for number in range(3)]

    with ThreadPoolExecutor(2) as threads:
        for name, texts in zip(("left", "right"), threads.map(warnings, ("left", "right")), strict=True):
            for number, said in enumerate(texts):
                assert f"no face was found in {name} {number};" in said[0]
                assert all(f"in {name} {number}" in text for text in said)


def test_boxes_and_a_background_come_with_each_photo(astronaut, nobody):
    photo, box = np.hstack([astronaut[:192, 96:352], nobody[:, :96].repeat(2, 0)[:192]]), Box(0, 0, 256, 192)
    pipeline = pipeline_with(subject="box", background="image", foreground="original")
    result = pipeline.make(pipeline.prepare(photo, "photo", boxes=[box], background=nobody))
    alpha = matte_person(lambda part: PortraitMatting("mobile").matte(part, input_size=64), photo, box)
    np.testing.assert_array_equal(result.matte, to_uint8(alpha))
    outside = result.matte == 0
    assert outside.any()
    np.testing.assert_array_equal(result.composite[outside], crop_to_fill(nobody, *alpha.shape)[outside])
    with pytest.raises(ValueError, match='background is "image", but there is no picture for it'):
        pipeline.prepare(photo, "photo", boxes=[box])


def test_all_that_is_wrong_with_a_photo_is_known_before_its_matte(nobody, monkeypatch):
    no_faces(monkeypatch)
    monkeypatch.setattr(PortraitMatting, "matte", lambda *_: pytest.fail("the network ran"))
    for parameters, words in (
        ({"anonymize": "blur", "anonymize_strict": True}, "no face was found in a.jpg"),
        ({"subject": "box"}, "there is no box"),
        ({"subject": "box", "box": "900,0,9,9"}, "lies outside the photo"),
        ({"background": "image"}, "there is no picture"),
    ):
        with pytest.raises(ValueError, match=words):
            pipeline_with(**parameters).prepare(nobody, "a.jpg")
    with pytest.raises(ValueError, match='crop must be "none" for a video'):
        pipeline_with(crop="5").prepare(nobody, "a.jpg", video=Video())


def test_what_after_pass_raises_ends_the_run(nobody):
    class Stopped(Exception):
        pass

    def stop():
        raise Stopped

    pipeline = pipeline_with()
    with pytest.raises(Stopped):
        pipeline.make(pipeline.prepare(nobody, "photo"), after_pass=stop)


def test_a_video_forgets_what_the_parameters_switch_off(nobody, monkeypatch):
    """A face that is missed in the second frame stays hidden, unless nothing was to be hidden in between."""
    face = Face(20, 20, 60, 60, 0.0, 1.0)
    no_faces(monkeypatch, lambda image, **_: [face] if image is nobody else [])
    hiding, open_faces, later = pipeline_with(anonymize="blur"), pipeline_with(), nobody.copy()
    video = Video()
    (followed,) = hiding.prepare(nobody, "1", video=video).faces
    assert followed[:4] == face[:4]
    assert hiding.prepare(later, "2", video=video).faces
    assert open_faces.prepare(later, "3", video=video).faces == []
    last = hiding.prepare(later, "4", video=video)
    assert last.faces == []
    assert "no face was found in 4" in last.warnings[0]


def test_frames_steady_each_other_only_within_a_video(nobody, astronaut):
    noisy = np.clip(astronaut[:192, 96:352] + np.random.default_rng(1).normal(0, 5, (192, 256, 3)), 0, 255)
    frames = [astronaut[:192, 96:352].copy(), noisy.astype(np.uint8)]
    pipeline, video = pipeline_with(temporal=True), Video()
    first, second = (pipeline.run(frame, "frame", video).matte for frame in frames)
    alone = [pipeline.run(frame, "photo").matte for frame in frames]
    np.testing.assert_array_equal(first, alone[0])
    assert not np.array_equal(second, alone[1])
    # The next frame counts as well, if it is known.
    video = Video()
    photos = [pipeline.prepare(frame, "frame", video=video) for frame in frames]
    mattes = pipeline.mattes(photos)
    led = pipeline.make(photos[0], mattes[0], following=(photos[1], mattes[1])).matte
    assert not np.array_equal(led, alone[0])
    assert not np.array_equal(pipeline.make(photos[1], mattes[1]).matte, second)


@pytest.mark.parametrize(
    "parameters",
    [
        {"background": "blur"},
        {"background": "transparent", "foreground": "original"},
        {"background": "#102030", "foreground": "original", "shift": 9, "feather": 5.0},
        {"background": "blur", "invert": True, "shift": -9},
    ],
)
def test_what_an_editor_rubbed_out_is_in_no_picture(parameters, astronaut):
    own = np.full((256, 256), 255, np.uint8)
    own[:, 176:], own[200:, :176] = 0, 102
    photo = np.dstack([astronaut[:256, 96:352], own])
    other = photo.copy()
    other[:, 176:, :3] = np.random.default_rng(0).integers(0, 256, (256, 80, 3))
    pipeline = pipeline_with(**parameters)
    prepared = [pipeline.prepare(each, "photo") for each in (photo, other)]
    alone, batched = pipeline.make(prepared[0]), pipeline.make(prepared[1], pipeline.mattes(prepared[1:])[0])
    for name in ("matte", "cutout", "composite"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(batched, name))
    assert (alone.matte[:, 176:] == 0).all()
    assert (alone.cutout[:, 176:, 3] == 0).all()
    assert alone.matte[:200].max() > 250
    # The half transparent part is multiplied, and once.
    assert 90 < alone.matte[200:].max() <= 102


def test_a_guide_leads_the_matte_of_everybody_and_of_one(astronaut):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:, 10:40] = 1
    corrections = np.zeros((512, 512), np.uint8)
    corrections[:30, 480:] = 1
    guide = Guide(mask=mask, band=9, corrections=corrections)
    fitted = guide.fit(512, 512).maps()
    pipeline = pipeline_with()
    photo = pipeline.prepare(astronaut, "a.jpg", guide=guide)
    wanted = pipeline.model.matte(astronaut, input_size=64, **fitted)
    np.testing.assert_array_equal(pipeline.make(photo).matte, to_uint8(wanted))
    (matte,) = pipeline.mattes([photo])
    np.testing.assert_array_equal(matte, wanted)
    one = pipeline_with(subject="box", box="60,140,300,372")
    found = one.make(one.prepare(astronaut, "a.jpg", guide=guide)).matte
    alpha = matte_person(
        lambda part, **maps: one.model.matte(part, input_size=64, **maps), astronaut, Box(60, 140, 300, 372), **fitted
    )
    np.testing.assert_array_equal(found, to_uint8(alpha))
    assert found[:30, 480:].min() == 255


def test_a_guide_that_does_not_fit_is_refused_before_the_matte(nobody):
    with pytest.raises(ValueError, match="the mask is 50 x 50 px, the photo 160 x 128 px"):
        pipeline_with().prepare(nobody, "a.jpg", guide=Guide(mask=np.ones((50, 50), bool)))
    with pytest.raises(ValueError, match="method RESIZE takes no trimap"):
        pipeline_with(method="RESIZE").prepare(nobody, "a.jpg", guide=Guide(mask=np.ones((64, 80), bool)))
    assert pipeline_with(method="RESIZE").run(nobody, "a.jpg", guide=Guide()).matte.shape == nobody.shape[:2]


def test_a_mask_a_frame_goes_with_steady_mattes(nobody):
    pipeline, video = pipeline_with(temporal=True), Video()
    masks = [np.full(nobody.shape[:2], value, np.uint8) for value in (255, 255, 0)]
    mattes = [pipeline.run(nobody, "frame", video, Guide(mask=mask)).matte for mask in masks]
    assert mattes[0].min() == mattes[1].min() == 255
    assert mattes[2].max() < 255
    # No frame before it outvotes what is said of this one.
    assert mattes[2].max() == 0
