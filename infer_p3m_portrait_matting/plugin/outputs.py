"""An Ikomia image output that keeps alpha, and file names that keep photos apart."""

import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from ikomia import core, dataprocess

from infer_p3m_portrait_matting.p3m import composite
from infer_p3m_portrait_matting.p3m.files.encode import encode_png
from infer_p3m_portrait_matting.p3m.files.write import write_new, write_whole

#: Name of the results of a picture that does not come from a file.
NAMELESS = "photo"

#: The outputs in their order, with the texts that STUDIO shows.
DESCRIPTIONS = {
    "composite": "The person on the background (RGB)",
    "matte": "The alpha matte (grey, 0 to 255)",
    "cutout": "The person, cut out (RGBA, straight alpha)",
}
_OF_VIDEOS = DESCRIPTIONS | {"cutout": "The person on black: Ikomia's videos hold no alpha"}

#: Bytes that file systems allow in a name, minus the longest ending.
_LONGEST_STEM = 255 - len("_composite.png")


class FileNames:
    """Gives every photo its own file name in a folder of results, even when several photos share a name."""

    def __init__(self) -> None:
        self._owners: dict[Path, str] = {}
        self._lock = threading.Lock()

    def stem(self, folder: Path, stem: str, source: str, taken: frozenset[str] = frozenset()) -> str:
        """Choose the stem of a photo's result files: the same at every call for the same photo.

        Args:
            folder: where the results go.
            stem: the preferred stem, used if no other photo has it.
            source: the photo's file, or another key that identifies a picture without a file.
            taken: further stems that are not free.

        Returns:
            ``stem``, if needed with the photo's suffix, its folder's name, or a number appended, and shortened to what
            file systems allow.
        """
        with self._lock:
            for candidate in _candidates(stem, Path(source)):
                if candidate not in taken and self._owners.setdefault(folder / candidate, source) == source:
                    return candidate
        raise AssertionError("there is always a higher number")

    def give_up(self, folder: Path, stem: str) -> None:
        """Forget which photo has a stem, because another process took it first."""
        with self._lock:
            self._owners.pop(folder / stem, None)


def _candidates(stem: str, file: Path) -> Iterator[str]:
    endings = ["", f"_{file.suffix[1:]}", f"_{file.suffix[1:]}_{file.parent.name}"] if file.suffix else [""]
    for ending in endings:
        yield _short(stem, ending)
    for number in count(2):
        yield _short(stem, f"{endings[-1]}_{number}")


def _short(stem: str, ending: str) -> str:
    """Shorten a stem with its ending, by whole characters, to the bytes that a file name may have."""
    ending = os.fsdecode(os.fsencode(ending)[-_LONGEST_STEM // 2 :])
    room = _LONGEST_STEM - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


class Results:
    """What the outputs of one task share: the names of its result files, and the failures.

    Attributes:
        failures: file to message, for photos that could not be matted or saved.
    """

    def __init__(self) -> None:
        self.names = FileNames()
        self.failures: dict[str, str] = {}
        #: (folder and stem, photo) -> names of the outputs that lie there.
        self.saved: dict[tuple[Path, str], set[str]] = {}
        self._expected: dict[str, set[str]] = {}
        self._runs = count(1)

    def expect(self, source: str, outputs: set[str], folder: str) -> None:
        """Count a photo as failed until all its outputs are saved: Ikomia may stop before it saves them."""
        if outputs:
            self._expected[source] = outputs
            self.failures[source] = f"the results were not saved: can files be written to {folder}?"

    def saved_one(self, source: str, output: str) -> None:
        """Record that an output was saved."""
        expected = self._expected.get(source)
        if expected is not None:
            expected.discard(output)
            if not expected:
                del self._expected[source]
                self.failures.pop(source, None)

    def new_owner(self, source: str) -> str:
        """Return a key that identifies the picture of a run: its file, or the number of the run."""
        return source or f"run {next(self._runs)}"


class LosslessImageIO(dataprocess.CImageIO):
    """An image output that is saved and serialised without loss, under its own file name.

    Ikomia's own output drops alpha when it is saved, writes all outputs of a task to one file, and turns into JPEG
    when it is serialised.

    Args:
        data_type: IMAGE or IMAGE_BINARY.
        name: name of the output; its file name ends with it.
        description: the text that STUDIO shows.
        results: shared by all outputs of the task.
        task: name of the task; Ikomia puts it before a photo's name when it saves by itself.
    """

    def __init__(
        self, data_type: core.IODataType, name: str, description: str, results: Results, task: str = ""
    ) -> None:
        super().__init__(data_type, name)
        self.description = description
        self.task = task
        self._results = results
        #: File of the photo that the picture was made from, or "".
        self.source = ""
        #: Key of the photo: see :meth:`Results.new_owner`.
        self.owner = ""

    def save(self, path: str) -> None:
        """Write ``<stem of path>_<name>.png`` beside ``path``; a file that exists is replaced by a complete one.

        A file that Ikomia saves by itself never replaces a result of another photo, run or process: it is named after
        the photo, and gets another name if that one is taken. Ikomia's own name holds the photo's name only up to its
        first dot.

        Raises:
            OSError: the folder cannot be written to; ``failures`` of the task records it too.
        """
        try:
            self._save(Path(path))
            self._results.saved_one(self.source, self.name)
        except BaseException as error:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            self._results.failures[self.source] = f"the output {self.name} could not be saved: {reason}"
            raise

    def _save(self, target: Path) -> None:
        content = encode_png(self.get_image())
        file, folder = Path(self.source), target.parent
        if self._is_automatic(target.stem):
            self._save_as_new(folder, file.stem.lstrip(".") or NAMELESS, content)
            return
        stem = target.stem
        if self.source and stem == file.stem:
            stem = self._results.names.stem(folder, stem, self.source)
        write_whole(target.with_name(f"{stem}_{self.name}.png"), content)

    def _is_automatic(self, stem: str) -> bool:
        name = Path(self.source).name
        return bool(self.task) and stem in {
            self.task + (name.split(".")[0] or "empty"),
            self.task + Path(name).stem,
            self.task + "empty",
        }

    def _save_as_new(self, folder: Path, wanted: str, content: bytes) -> None:
        names = self._results.names
        taken: frozenset[str] = frozenset()
        while True:
            stem = names.stem(folder, wanted, self.owner or self.source, taken)
            target = folder / f"{stem}_{self.name}.png"
            if self.name in self._saved(folder, stem):
                write_whole(target, content)
                return
            try:
                write_new(target, content)
            except FileExistsError:
                names.give_up(folder, stem)
                taken |= {stem}
                continue
            self._saved(folder, stem).add(self.name)
            return

    def _saved(self, folder: Path, stem: str) -> set[str]:
        """Return the outputs that this task has saved for this photo."""
        return self._results.saved.setdefault((folder / stem, self.owner or self.source), set())

    def to_json(self, options: list[str] | None = None) -> str:
        """Serialise as base64 PNG, or as JPEG when ``options`` has "image_format", "jpg" and the picture is RGB.

        JPEG has no alpha and would blur a matte, so the cut-out and the matte are always PNG.
        """
        options = list(options or [])
        image_format = "png"
        if "image_format" in options:
            at = options.index("image_format")
            if options[at + 1 : at + 2] and options[at + 1].lower() in ("jpg", "jpeg") and self._is_rgb():
                image_format = "jpg"
            del options[at : at + 2]
        return super().to_json([*options, "image_format", image_format])

    def _is_rgb(self) -> bool:
        image = self.get_image()
        return image is not None and image.ndim == 3 and image.shape[2] == 3


def name_video_outputs(outputs: list[dataprocess.CImageIO]) -> None:
    """Name the outputs that Ikomia puts in place of ours while a video runs; it calls all of its own "VideoIO".

    Args:
        outputs: composite, matte and cut-out.
    """
    for output, (name, description) in zip(outputs, _OF_VIDEOS.items(), strict=True):
        if not isinstance(output, LosslessImageIO):
            output.name, output.description = name, description


def without_alpha(picture: np.ndarray) -> np.ndarray:
    """Put a picture with alpha on black, as Ikomia's videos need it: a cut-out without its alpha shows smears.

    Args:
        picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA with straight alpha.

    Returns:
        The same picture, or uint8 [H, W, 3] RGB.
    """
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    return composite(picture, picture[..., 3].astype(np.float32) / 255, (0, 0, 0))
