"""Find numbered pictures by their pattern."""

import re
from pathlib import Path

_SEQUENCE = re.compile(r"%0?(\d*)d")


def is_sequence(path: Path) -> bool:
    """Tell whether a path stands for a sequence of pictures, such as ``frames/%05d.png``."""
    return path.suffix.lower() == ".png" and _SEQUENCE.search(path.name) is not None


def number_in(pattern: Path, number: int) -> Path:
    """Return the file with a given number in a sequence."""
    name = _SEQUENCE.sub(lambda found: f"{number:0{int(found[1] or 0)}d}", pattern.name, count=1)
    return pattern.with_name(name)


def numbered_files(pattern: Path) -> list[Path]:
    """List the files of a sequence by their numbers, from 1 up; some numbers may be missing."""
    place = _SEQUENCE.search(pattern.name)
    assert place is not None, "a sequence has a number in its name"
    before, after = pattern.name[: place.start()], pattern.name[place.end() :]
    form = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    beside = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
    numbers = sorted(int(found[1]) for file in beside if (found := form.fullmatch(file.name)))
    # 7.png does not match %05d.png.
    files = (number_in(pattern, number) for number in dict.fromkeys(numbers) if number)
    return [file for file in files if file.is_file()]
