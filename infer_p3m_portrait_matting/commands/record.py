"""Remember beside the results what made them, so that nothing else is ever replaced and nothing is made twice.

A hidden file, :data:`NAME`, in each folder of results has a line per result: its files and its source, each with size
and time, and the options. A file is a result as long as it has the size and, within two seconds, the time that it was
made with: one that was edited since is the user's own.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from ..p3m.files.write import give_name
from ..pipeline.settings import Settings
from .destinations import Item
from .guides import GuideFiles

NAME = ".p3m.jsonl"
#: Beginnings of the names of all hidden files that p3m makes in folders of results.
OWN_FILES = (NAME, ".p3m-")

#: A file's size in bytes, and the time of its last change in nanoseconds.
Stamp = tuple[int, int]

#: By how much some file systems and archives round times, in nanoseconds.
_ROUNDING = 2_000_000_000

#: Parameters that change no result, or only its rounding.
_WITHOUT_TRACE = ("cuda", "allow_fallback")
#: Parameters that change no photo.
_OF_VIDEOS = ("temporal",)
#: Options that a finished result must have been made with, if the user asks for them: privacy, and the same guides.
_BINDING = ("anonymize", "anonymize_strict", *GuideFiles._fields)
_APPEARED = "a file of this name appeared meanwhile and stays; the result was not kept"


class Made(NamedTuple):
    """How a result was made.

    Attributes:
        files: name -> size and time of each of its files; a sequence has many.
        source: name, size and time of the photo or video; None if it was no file.
        options: the parameters that differ from their defaults.
    """

    files: dict[str, Stamp]
    source: tuple[str, int, int] | None
    options: dict[str, str]


class Record:
    """The record of one folder of results.

    Args:
        folder: the folder; neither it nor its record need exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Name and size of a file -> time and making of each file that had them.
        self._made: dict[tuple[str, int], list[tuple[int, Made]]] = {}
        text = ""
        with suppress(OSError):
            text = (folder / NAME).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            # A kill may have cut a line off.
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                entry = json.loads(line)
                files = {str(name): (int(size), int(time)) for name, (size, time) in entry["files"].items()}
                source = tuple(entry["source"]) if entry["source"] else None
                made = Made(files, source, dict(entry["options"]))
                for name, (size, time) in files.items():
                    self._made.setdefault((name, size), []).append((time, made))
        self._names = {name for name, _ in self._made}

    def made(self, path: Path) -> Made | None:
        """Say how a file of the folder was made; None if it is no result, or was changed since."""
        size, time = _stamp(path) or (0, 0)
        # The last one: the same second may have seen several.
        candidates = reversed(self._made.get((path.name, size), []))
        return next((made for noted, made in candidates if abs(noted - time) < _ROUNDING), None)

    def owns(self, path: Path) -> bool:
        """Tell whether a file of the folder is a result, or the empty file that a power cut has left of one."""
        return self.made(path) is not None or (path.name in self._names and _is_empty(path))


class Plan(NamedTuple):
    """What a run has to do.

    Attributes:
        todo: the photos and videos to make, each with its results that may be replaced.
        done: those whose results are there.
        otherwise: how many of those were made with other options.
        in_the_way: those whose places are taken by files that are not results, each with the first such file.
    """

    todo: list[Item]
    done: list[Item]
    otherwise: int
    in_the_way: list[tuple[Item, Path]]


def plan(items: Iterable[Item], settings: Settings, force: bool) -> Plan:
    """Compare what is asked for with the files that are there.

    Args:
        items: the photos and videos.
        settings: the parameters.
        force: whether to make again what is done.
    """
    records: dict[Path, Record] = {}
    todo, done, otherwise, in_the_way = [], [], 0, []
    for item in items:
        item = item._replace(origin=_origin(item))
        options = _options(item, settings)
        there: list[Path] = []
        how: list[Made | None] = []
        for path in item.files():
            if path.parent not in records:
                records[path.parent] = Record(path.parent)
            files = item.existing(path)
            there += files
            how.append(_made_as_a_whole(files, records[path.parent]))
        stranger = next((file for file in there if not records[file.parent].owns(file)), None)
        if stranger is not None:
            in_the_way.append((item, stranger))
        elif not force and item.origin and how and all(_suits(made, item.origin, options) for made in how):
            done.append(item)
            otherwise += any(made is not None and made.options != options for made in how)
        else:
            stamps = ((file, _stamp(file)) for file in there)
            todo.append(item._replace(replaceable=tuple((file, stamp) for file, stamp in stamps if stamp)))
    return Plan(todo, done, otherwise, in_the_way)


def publish(item: Item, targets: dict[Path, dict[Path, Path]], settings: Settings) -> None:
    """Give finished files their names, and remember how they were made.

    Args:
        item: the photo or video.
        targets: each target -> the names of its files -> where these lie unfinished; the last one is named last.
        settings: the parameters.

    Raises:
        ValueError: a file that is no result has one of these names by now; it stays.
        OSError: the folder cannot be written to.
    """
    replaceable = {file for file, stamp in item.replaceable if _stamp(file) == stamp}
    for files in targets.values():
        for name in files:
            if name not in replaceable and os.path.lexists(name):
                raise ValueError(f"{name}: {_APPEARED}")
    for target, files in targets.items():
        # First the note: a result without one would pass for a file of the user's own.
        stamps = {name.name: _stamp(unfinished) for name, unfinished in files.items()}
        _note(target.parent, {"files": stamps, "source": item.origin, "options": _options(item, settings)})
        older = [file for file in item.existing(target) if file in replaceable]
        if len({*files, *older}) > 1:
            # Remove the first file of a sequence first: without it, the others do not pass for a whole one.
            for old in older:
                old.unlink()
        for name, unfinished in files.items():
            try:
                give_name(unfinished, name, replaces=name in replaceable)
            except FileExistsError:
                raise ValueError(f"{name}: {_APPEARED}") from None


def _note(folder: Path, entry: dict[str, Any]) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(folder / NAME, flags, 0o666)
    try:
        # The line's end comes first: what a kill has cut off ends there.
        os.write(file, f"\n{json.dumps(entry)}".encode())
    finally:
        os.close(file)


def _made_as_a_whole(files: list[Path], record: Record) -> Made | None:
    """Say how files were made together; None if some are missing or were made otherwise."""
    made = record.made(files[0]) if files else None
    if made is None or {file.name for file in files} != set(made.files):
        return None
    return made if all(record.made(file) is made for file in files) else None


def _suits(made: Made | None, origin: tuple[str, int, int], options: dict[str, str]) -> bool:
    """Tell whether a result may stay: it was made from these very files, and hides what is to be hidden."""
    if made is None or made.source != origin:
        return False
    return all(made.options.get(name) == options[name] for name in _BINDING if name in options)


def _options(item: Item, settings: Settings) -> dict[str, str]:
    defaults = Settings().to_strings()
    given = {name: text for name, text in settings.to_strings().items() if text != defaults[name]}
    given |= item.encoding.to_strings() | item.guides.to_strings()
    without_trace = _WITHOUT_TRACE if item.is_video else (*_WITHOUT_TRACE, *_OF_VIDEOS)
    return {name: text for name, text in given.items() if name not in without_trace}


def _origin(item: Item) -> tuple[str, int, int] | None:
    if item.source is None:
        return None
    try:
        stat = item.source.stat()
    except OSError:
        return None  # what reads it says so
    return item.source.name, stat.st_size, stat.st_mtime_ns


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.lstat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _is_empty(path: Path) -> bool:
    try:
        return S_ISREG((stat := path.lstat()).st_mode) and stat.st_size == 0
    except OSError:
        return False
