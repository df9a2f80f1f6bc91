"""The names of the pictures that a run makes."""

OUTPUTS = MATTE, CUTOUT, COMPOSITE = ("matte", "cutout", "composite")
