"""Names of ways to hide a face; they load without OpenCV."""

#: How a face can be hidden.
OBFUSCATIONS = ("blur", "pixelate")
