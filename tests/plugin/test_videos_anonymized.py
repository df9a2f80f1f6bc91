"""Faces of a video stay hidden in the frames in which they are not found, through the real Ikomia."""

import cv2
import numpy as np
import pytest
from ikomia_plugin import workflow_with

from infer_p3m_portrait_matting.p3m import find_faces
from infer_p3m_portrait_matting.p3m.faces.hide import face_area

pytestmark = pytest.mark.slow

COVERED = (4, 5)


@pytest.fixture(scope="module")
def video(astronaut, tmp_path_factory):
    """A face that moves to the right, covered from brows to mouth in two frames in the middle.

    The file, its frames with the faces found in each, and the face in the open portrait; looked for once, as that
    takes long.
    """
    path = tmp_path_factory.mktemp("video") / "covered.avi"
    portrait, frames = astronaut[:288, 40:424], []
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (384, 288))
    for step in range(9):
        frame = np.roll(portrait, 4 * step, 1)
        if step in COVERED:
            frame[60:140] = 30
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    reader = cv2.VideoCapture(str(path))
    while (read := reader.read())[0]:
        frames.append(np.ascontiguousarray(read[1][..., ::-1]))
    (true,) = find_faces(portrait.copy())
    return path, [(frame, find_faces(frame)) for frame in frames], true


@pytest.mark.parametrize("temporal", [False, True])
def test_no_frame_shows_an_open_face(video, temporal, monkeypatch, caplog):
    # Where the face is in all frames: the open portrait, moved.
    path, frames, true = video
    wf, task = workflow_with(
        input_size=128, anonymize="pixelate", foreground="original", background="blur", temporal=temporal
    )
    pictures, finish = [], type(task).end_task_run

    def end_task_run(self):
        pictures.append(tuple(self.get_output(i).get_image().copy() for i in range(3)))
        finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(type(task), "end_task_run", end_task_run)
        wf.run_on(path=str(path))
    assert len(pictures) == len(frames) == 9
    assert [step for step, (_, faces) in enumerate(frames) if not faces] == list(COVERED)
    for step, ((frame, _), (together, matte, person)) in enumerate(zip(frames, pictures, strict=True)):
        moved = true._replace(
            left=true.left + 4 * step,
            right=true.right + 4 * step,
            points=tuple((x + 4 * step, y) for x, y in true.points),
        )
        area = face_area(moved, 288, 384)
        # The bar hides a face as well as we do.
        bar = frame.max(-1) < 50 if step in COVERED else np.zeros(area.shape, bool)
        body = matte == 255
        body[:230] = False  # below every face
        assert (person[..., :3] == frame).all(-1)[body].mean() > 0.95, "decoded otherwise: nothing could be still open"
        for picture in (together, person):
            still_open = (picture[..., :3] == frame).all(-1) & area & ~bar
            assert still_open.sum() < 0.05 * area.sum(), step
    assert not [r for r in caplog.records if "no face was found" in r.message]


def test_a_new_video_keeps_nothing_of_the_one_before(video, tmp_path, caplog):
    path = tmp_path / "nobody.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (384, 288))
    for grey in (60, 61, 62):
        writer.write(np.full((288, 384, 3), grey, np.uint8))
    writer.release()
    wf, _ = workflow_with(input_size=64, anonymize="blur")
    wf.run_on(path=str(video[0]))
    wf.run_on(path=str(path))
    assert len([r for r in caplog.records if "no face was found" in r.message]) == 3
