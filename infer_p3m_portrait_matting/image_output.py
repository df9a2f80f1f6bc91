"""An Ikomia image output that keeps alpha."""

import os
from pathlib import Path

import cv2
import numpy as np
from ikomia import core, dataprocess


class LosslessImageIO(dataprocess.CImageIO):
    """An image output that is saved and serialised without loss, under a file name of its own.

    Ikomia's own output drops alpha when it is saved, writes all outputs of a task to one file, and turns into JPEG
    when it is serialised.

    Args:
        data_type: IMAGE or IMAGE_BINARY.
        name: name of the output, which ends its file name.
        description: what STUDIO shows.
    """

    def __init__(self, data_type: core.IODataType, name: str, description: str) -> None:
        super().__init__(data_type, name)
        self.description = description

    def save(self, path: str) -> None:
        """Write ``<stem of path>_<name>.png`` beside ``path``; a file that exists is replaced by a complete one.

        Raises:
            OSError: the folder cannot be written to.
        """
        image = self.get_image()
        target = Path(path)
        target = target.with_name(f"{target.stem}_{self.name}.png")
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_bytes(encode_png(image))
        os.replace(temporary, target)

    def to_json(self, options: list[str] | None = None) -> str:
        """Serialise as base64 PNG, whatever format is asked for: JPEG has no alpha and would blur the matte."""
        options = list(options or [])
        if "image_format" in options:
            at = options.index("image_format")
            del options[at : at + 2]
        return super().to_json([*options, "image_format", "png"])


def encode_png(image: np.ndarray) -> bytes:
    """Encode uint8 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA as PNG."""
    codes = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    code = codes[2 if image.ndim == 2 else image.shape[2]]
    done, data = cv2.imencode(".png", image if code is None else cv2.cvtColor(image, code))
    if not done:
        raise OSError("the picture could not be encoded as PNG")
    return data.tobytes()
