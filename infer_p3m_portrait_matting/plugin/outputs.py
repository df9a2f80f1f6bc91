"""An Ikomia image output that keeps alpha, and file names that keep photos apart."""

import threading
from itertools import count
from pathlib import Path

import numpy as np
from ikomia import core, dataprocess

from infer_p3m_portrait_matting.p3m import composite
from infer_p3m_portrait_matting.p3m.atomic_write import write_whole
from infer_p3m_portrait_matting.p3m.imaging.png import encode_png


class FileNames:
    """Gives every photo a file name of its own in a folder of results, where several photos may have one name."""

    def __init__(self) -> None:
        self._owners: dict[Path, str] = {}
        self._lock = threading.Lock()

    def stem(self, folder: Path, stem: str, source: str) -> str:
        """Choose the stem of a photo's result files: the same at every call for the same photo.

        Args:
            folder: where the results go.
            stem: what they should be called: taken if no other photo has it.
            source: the photo's file, or "" for one that has none.

        Returns:
            ``stem``, or with the photo's suffix, its folder's name, or a number after it.
        """
        file = Path(source)
        candidates = [stem, f"{stem}_{file.suffix[1:]}", f"{stem}_{file.suffix[1:]}_{file.parent.name}"]
        with self._lock:
            for candidate in candidates:
                if self._owners.setdefault(folder / candidate, source) == source:
                    return candidate
            for number in count(2):
                candidate = f"{candidates[-1]}_{number}"
                if self._owners.setdefault(folder / candidate, source) == source:
                    return candidate
        raise AssertionError("there is always a higher number")


class LosslessImageIO(dataprocess.CImageIO):
    """An image output that is saved and serialised without loss, under a file name of its own.

    Ikomia's own output drops alpha when it is saved, writes all outputs of a task to one file, and turns into JPEG
    when it is serialised.

    Args:
        data_type: IMAGE or IMAGE_BINARY.
        name: name of the output, which ends its file name.
        description: what STUDIO shows.
        file_names: of the task, for all of its outputs.
        task: name of the task, which Ikomia glues to the front of a photo's name when it saves a folder's results.
    """

    def __init__(
        self, data_type: core.IODataType, name: str, description: str, file_names: FileNames, task: str = ""
    ) -> None:
        super().__init__(data_type, name)
        self.description = description
        self.task = task
        self._file_names = file_names
        #: File of the photo that the picture was made from, or "".
        self.source = ""

    def save(self, path: str) -> None:
        """Write ``<stem of path>_<name>.png`` beside ``path``; a file that exists is replaced by a complete one.

        What is saved under its photo's own name, as Ikomia does for a folder, never replaces results of another photo
        of that name: this photo's get another name then.

        Raises:
            OSError: the folder cannot be written to.
        """
        image = self.get_image()
        target = Path(path)
        stem, photo = target.stem, Path(self.source).stem
        if photo and stem in (photo, self.task + photo):
            stem = self._file_names.stem(target.parent, photo, self.source)
        target = target.with_name(f"{stem}_{self.name}.png")
        write_whole(target, encode_png(image))

    def to_json(self, options: list[str] | None = None) -> str:
        """Serialise as base64 PNG, or as JPEG when ``options`` has "image_format", "jpg" and the picture is RGB.

        JPEG has no alpha and would blur the matte: for these it is PNG whatever is asked for.
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
    """Name the outputs that Ikomia puts in the place of ours while a video runs; its own are all called "VideoIO".

    Args:
        outputs: composite, matte and cut-out.
    """
    descriptions = {
        "composite": "The person on the background (RGB)",
        "matte": "The alpha matte (grey, 0 to 255)",
        "cutout": "The person on black: Ikomia's videos hold no alpha",
    }
    for output, (name, description) in zip(outputs, descriptions.items(), strict=True):
        if not isinstance(output, LosslessImageIO):
            output.name, output.description = name, description


def without_alpha(picture: np.ndarray) -> np.ndarray:
    """Put what has alpha on black, as Ikomia's videos need it: without its alpha a cut-out shows smears.

    Args:
        picture: uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA with straight alpha.

    Returns:
        The same picture, or uint8 [H, W, 3] RGB.
    """
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    return composite(picture, picture[..., 3].astype(np.float32) / 255, (0, 0, 0))
