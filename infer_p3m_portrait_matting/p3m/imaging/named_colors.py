"""Read a colour from text, by name or by numbers."""

from PIL import ImageColor

from ..errors import shown


def parse_color(text: str) -> tuple[int, ...]:
    """Read a colour as Pillow's ImageColor does: "#f80", "#ff800080", "rgb(255, 128, 0)", "hsl(30, 100%, 50%)", a name.

    Returns:
        Red, green and blue in 0 to 255, and alpha after them if the colour is not opaque.

    Raises:
        ValueError: the text does not name a colour.
    """
    try:
        color = ImageColor.getrgb(text.strip())
    except ValueError:
        raise ValueError(
            f"a colour must be like '#ffffff', 'rgb(255, 255, 255)' or a CSS name such as 'white', got {shown(text)!r}"
        ) from None
    if not all(0 <= value <= 255 for value in color):
        raise ValueError(f"each part of a colour must lie between 0 and 255, got {shown(text)!r}")
    return color[:3] if len(color) == 4 and color[3] == 255 else color
