"""Raise one clear message, wherever a run runs out of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from ..p3m.errors import is_out_of_gpu_memory


@contextmanager
def clear_memory_errors(height: int, width: int, input_size: int, others: str = "") -> Iterator[None]:
    """Turn the out-of-memory errors of all libraries into a RuntimeError that says what to lower.

    Args:
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        input_size: the parameter.
        others: what else the message advises to lower, or "".

    Raises:
        RuntimeError: memory ran out; the message names what to lower. All other errors pass unchanged.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_gpu_memory(error):
            raise RuntimeError(
                f'the GPU has too little memory for input_size {input_size}: lower input_size, or set cuda to "False"'
            ) from error
        if not _is_memory(error):
            raise
        raise RuntimeError(
            f"this computer has too little memory for input_size {input_size} and a photo of {width} x {height} px: "
            f"lower input_size, {others and others + ', '}or the photo's size"
        ) from error


def _is_memory(error: Exception) -> bool:
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    # When the CPU runs out of memory, PyTorch raises a plain RuntimeError with the first words on Linux and the second
    # on Windows, and ONNX Runtime an error of its own.
    words = ("can't allocate memory", "not enough memory", "Failed to allocate memory", "bad alloc", "bad_alloc")
    return isinstance(error, MemoryError) or any(part in str(error) for part in words)
