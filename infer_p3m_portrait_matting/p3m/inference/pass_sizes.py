"""Choose the size of each pass through the network."""

from ..model.channels import STRIDE

#: Long side in pixels to which a smaller photo is enlarged. The networks were trained on crops of this size and see no
#: person in a much smaller picture; benchmarks/small_photos.py has the figures.
MIN_SIDE = 512


def floor_to_stride(side: int) -> int:
    """Round a side in pixels down to a multiple of 32, but not below 32."""
    return max(side // STRIDE, 1) * STRIDE


def pass_size(height: int, width: int, input_size: int, halve: bool, bound: int | None = None) -> tuple[int, int]:
    """Choose the size at which a photo goes through the network.

    The photo's size (halved for the global pass) shrinks, with its aspect ratio kept, until the long side fits. Each
    side is then rounded down to a multiple of 32. If the long side of a photo is below :data:`MIN_SIDE`, the photo is
    enlarged to it first, as far as the bounds allow.

    Args:
        height: the photo's height in pixels.
        width: the photo's width in pixels.
        input_size: bound of the long side in pixels; it is rounded down to a multiple of 32, too.
        halve: whether to start from half of the photo's size.
        bound: a second bound of the long side, or None.

    Returns:
        Height and width, multiples of 32: 1620 x 1080 at 1024 gives 800 x 512 halved and 1024 x 672 otherwise.
    """
    limit = floor_to_stride(input_size if bound is None else min(input_size, bound))
    divisor = 2 if halve else 1
    longest = max(height, width)
    if longest < MIN_SIDE:
        limit = min(limit, MIN_SIDE // divisor)
        return floor_to_stride(height * limit // longest), floor_to_stride(width * limit // longest)
    # Integers throughout: 1024 / 1620 * 1620 in floating point may fall just below 1024, and then 32 px go missing.
    if longest > limit * divisor:
        return floor_to_stride(height * limit // longest), floor_to_stride(width * limit // longest)
    return floor_to_stride(height // divisor), floor_to_stride(width // divisor)
