import cv2
import numpy as np
import pytest

from infer_p3m_portrait_matting.p3m import find_faces
from infer_p3m_portrait_matting.p3m.faces.hide import face_area
from training.obfuscate import main as obfuscate


@pytest.mark.parametrize("layout", ["RGBA", "two folders"])
def test_faces_of_a_folder_are_hidden_for_training(astronaut, tmp_path, capsys, layout):
    (tmp_path / "photos").mkdir()
    (tmp_path / "mattes").mkdir()
    matte = np.full((512, 512), 255, np.uint8)
    for name, photo in (("face", astronaut[..., ::-1]), ("nobody", np.zeros_like(astronaut))):
        picture = np.dstack([photo, matte]) if layout == "RGBA" else photo
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), picture)
        cv2.imwrite(str(tmp_path / "mattes" / f"{name}.png"), matte)
    arguments = ["--photos", tmp_path / "photos", "--output", tmp_path / "out", "--obfuscation", "pixelate"]
    arguments += ["--mattes", tmp_path / "mattes"] if layout == "two folders" else []
    assert obfuscate([str(a) for a in arguments]) == 0
    assert "no face was found in 1, left out: nobody" in capsys.readouterr().err
    (path,) = (tmp_path / "out").iterdir()
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.shape[2] == (4 if layout == "RGBA" else 3)
    area = face_area(find_faces(astronaut)[0], 512, 512)
    assert (image[area][:, 2::-1] != astronaut[area]).any(-1).mean() > 0.9
    np.testing.assert_array_equal(image[~area][:, 2::-1], astronaut[~area])


@pytest.mark.parametrize("output", ["photos", "mattes"])
def test_the_originals_are_never_replaced(astronaut, tmp_path, output, capsys):
    for folder in ("photos", "mattes"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "face.png"), astronaut[..., ::-1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    arguments = ["--photos", tmp_path / "photos", "--mattes", tmp_path / "mattes", "--output", tmp_path / output]
    assert obfuscate([str(a) for a in arguments]) == 1
    assert "holds files that are read" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_photos_of_one_name_are_refused(astronaut, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for suffix in ("png", "webp"):
        cv2.imwrite(str(tmp_path / "photos" / f"face.{suffix}"), astronaut)
    assert obfuscate(["--photos", str(tmp_path / "photos"), "--output", str(tmp_path / "out")]) == 1
    assert "photos of one name and different formats (face)" in capsys.readouterr().err
