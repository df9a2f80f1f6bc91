"""Faces of a video that the detector misses in between."""

from functools import cache

import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, FaceTracker, find_faces, hide_faces
from infer_p3m_portrait_matting.p3m.faces.hide import face_area
from infer_p3m_portrait_matting.p3m.faces.track import KEEP


def face_at(x: float, y: float, size: float = 40.0) -> Face:
    points = [(x + a * size, y + b * size) for a, b in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75))]
    return Face(x, y, x + size, y + size, 0.0, 0.9, tuple(points))


def area(faces, shape=(240, 320)):
    return np.any([face_area(face, *shape) for face in faces], 0) if faces else np.zeros(shape, bool)


def places(faces):
    return [face._replace(averages=b"") for face in faces]


@pytest.fixture
def texture():
    return np.random.default_rng(0).integers(0, 256, (240, 640, 3), dtype=np.uint8)


def test_what_is_found_is_given_back_first(texture):
    faces = [face_at(20, 30), face_at(200, 90)]
    tracker = FaceTracker()
    assert places(tracker(texture[:, :320], faces)) == faces
    assert places(tracker(texture[:, :320], faces)) == faces


@pytest.mark.parametrize("speed", [0, 2, 6])
def test_a_missed_face_moves_on_with_the_picture(texture, speed):
    tracker = FaceTracker()
    for step in range(12):
        # The camera pans: the whole picture moves to the left.
        frame = np.ascontiguousarray(texture[:, speed * step : speed * step + 320])
        true = face_at(240 - speed * step, 90)
        faces = tracker(frame, [true] if step < 4 else [])
        covered = area(faces)[area([true])].mean()
        assert covered > 0.97, step
        assert {face.score for face in faces} == {0.9 if step < 4 else 0.0}
    assert area(faces).sum() < 3 * area([true]).sum()


@pytest.mark.parametrize("speed", [3, 8])
def test_behind_something_that_stands_still_it_moves_on_at_its_own_speed(texture, speed):
    tracker = FaceTracker()
    for step in range(9):
        frame = np.full((240, 320, 3), 60, np.uint8)
        x = 40 + speed * step
        frame[90:130, x : x + 40] = texture[90:130, 40:80]
        true = face_at(x, 90)
        if step in (6, 7):
            frame[100:122] = texture[100:122, :320]
        faces = tracker(frame, [] if step in (6, 7) else [true])
        assert area(faces)[area([true])].mean() > 0.9, step


def test_a_face_is_forgotten_after_a_while(texture):
    tracker, frame = FaceTracker(), texture[:, :320]
    tracker(frame, [face_at(100, 90)])
    kept = [len(tracker(frame, [])) for _ in range(KEEP + 3)]
    assert all(kept[:KEEP])
    assert not any(kept[KEEP:])


def test_one_of_two_that_is_missed_is_kept(texture):
    tracker, frame = FaceTracker(), texture[:, :320]
    left, right = face_at(40, 90), face_at(220, 90)
    tracker(frame, [left, right])
    faces = tracker(frame, [right])
    assert places(faces)[0] == right
    assert area(faces[1:])[area([left])].mean() > 0.97


def test_another_size_and_reset_forget(texture):
    tracker = FaceTracker()
    tracker(texture[:, :320], [face_at(100, 90)])
    assert tracker(texture[:200, :320], []) == []
    tracker(texture[:, :320], [face_at(100, 90)])
    tracker.reset()
    assert tracker(texture[:, :320], []) == []


def moving(texture, count, start=0):
    """Frames of 240 x 320 px in which a picture moves by less than a cell, and a face in them, inexactly found."""
    rng = np.random.default_rng(1)
    for i in range(start, start + count):
        frame = np.full((240, 320, 3), 60, np.uint8)
        x, y = 60 + 3 * i, 60 + 2 * (i % 7)
        frame[y - 8 : y + 80, x - 8 : x + 80] = texture[:88, :88]
        face = face_at(x, y, 72)
        yield frame, face._replace(left=face.left + rng.uniform(-2, 2), bottom=face.bottom + rng.uniform(-2, 2))


@pytest.mark.parametrize("obfuscation", OBFUSCATIONS)
def test_what_hides_a_face_in_a_video_is_computed_from_one_frame(texture, obfuscation):
    """Frames that are averaged one by one, each at another place, together give the open face."""
    tracker, alpha, first = FaceTracker(), np.ones((240, 320), np.float32), None
    for i, (frame, face) in enumerate(moving(texture, 14)):
        # In some frames, the detector finds nothing.
        (hiding, *_) = tracker(frame, [] if 8 <= i < 11 else [face])
        hidden = hide_faces(frame, alpha, [hiding], obfuscation)
        first = first or hiding
        assert hiding.averages == first.averages
        # Nothing of this frame is in it.
        where = face_area(hiding, 240, 320)
        other = hide_faces(np.full_like(frame, 200), alpha, [hiding], obfuscation)
        np.testing.assert_array_equal(other[where], hidden[where])
        assert (hidden[where] != frame[where]).any(-1).mean() > 0.8, i


def test_a_face_that_comes_back_is_hidden_as_before_and_another_one_differently(texture):
    tracker, faces = FaceTracker(), []
    for frame, face in moving(texture, 3):
        faces += tracker(frame, [face])
    for _ in range(KEEP + 2):
        tracker(np.zeros((240, 320, 3), np.uint8), [])
    for frame, face in moving(texture, 3, start=20):
        faces += tracker(frame, [face])
    assert len({face.averages for face in faces}) == 1
    (other,) = tracker(texture[:, 320:] // 4, [face_at(20, 20, 72)])[:1]
    assert other.averages != faces[0].averages


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_frames_of_every_dtype_are_taken_and_left_alone(texture, dtype):
    frame = texture[:, :320].astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    frame = frame / dtype(255) if dtype == np.float32 else frame
    before, tracker = frame.copy(), FaceTracker()
    tracker(frame, [face_at(100, 90)])
    assert tracker(frame, [])
    np.testing.assert_array_equal(frame, before)
    with pytest.raises(ValueError, match="channels"):
        tracker(np.zeros((4, 4, 2), np.uint8), [])


@pytest.fixture(scope="module")
def walk(astronaut):
    """Frames of a person who moves to the right, and the faces found in each; looked for once, as that takes long."""
    frames = [np.roll(astronaut, 5 * step, 1) for step in range(8)]
    return [(frame, find_faces(frame)) for frame in frames]


@pytest.fixture(scope="module")
def faces_behind(walk):
    """Look for faces in a frame with bars: (step, bars) -> the frame and its faces."""

    @cache
    def look(step, bars):
        frame = walk[step][0].copy()
        for top, bottom in bars:
            frame[top:bottom] = 30
        return frame, find_faces(frame)

    return look


@pytest.mark.slow
# Bars before eyes or mouth; the rest of the face is open.
@pytest.mark.parametrize("bars", [(), ((105, 135), (150, 160)), ((90, 160),)])
@pytest.mark.parametrize("seen", [False, True])
def test_two_covered_frames_in_the_middle_show_no_open_face(walk, faces_behind, bars, seen):
    tracker = FaceTracker()
    for step, (frame, found) in enumerate(walk):
        (true,) = found
        if step in (4, 5):
            if bars:
                frame, found = faces_behind(step, bars)
            # Whether the detector finds what it can of it, or nothing.
            found = found if seen else []
        wanted = face_area(true, 512, 512)
        assert area(tracker(frame, found), (512, 512))[wanted].mean() > 0.95, step
