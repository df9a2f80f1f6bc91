"""The options of the command line: one for each parameter of the task, and some for files."""

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ..p3m.errors import shown
from ..p3m.inference.names import check_guided
from ..p3m.version import __version__
from ..pipeline.outputs import OUTPUTS
from ..pipeline.parameters import Parameter
from ..pipeline.settings import BOX, IMAGE, PARAMETERS, Settings
from .destinations import PHOTO_NAMES, VIDEO_NAMES, Encoding, Wanted
from .guides import GuideFiles

_USAGE = "p3m INPUT [OUTPUT] [options]\n       p3m INPUT... [-o FOLDER] [options]"

_EXAMPLES = """\
examples:
  p3m photo.jpg                        the cut-out, photo_cutout.png beside it
  p3m photo.jpg out.jpg                a composite on white: JPEG holds no alpha
  p3m photo.jpg --write matte,cutout   photo_matte.png and photo_cutout.png
  p3m a.jpg b.jpg photos/ -o results/  photos, and folders with subfolders
  p3m clip.mp4 out.mov                 a video with alpha; frames/%05d.png, too
  p3m - - < photo.jpg > cutout.png     from standard input to standard output
"""

_STATUS = """\
p3m export FOLDER writes the model as ONNX files; p3m export --help has its options.
p3m serve offers a page and an API on this computer; p3m serve --help has its options.
p3m check-weights FILE tells which network a weights file is for, where it is from, and whether it can be used.
Exit status: 0 when all is done, 1 when anything failed, 2 when the options are wrong, 130 after Ctrl-C."""

#: The parameters, with the defaults of the command line.
_PARAMETERS = {**PARAMETERS, "temporal": replace(PARAMETERS["temporal"], default=True)}
#: What differs from the task, for the help.
_HERE = {
    "model_name": "default: a published model whose weights are on this computer, else the bundled one",
    "background": "given without --write, it asks for the composite",
    "background_file": "it implies --background image",
    "box": "it implies --subject box",
}

#: Parameters that the short help leaves to ``--help-all``, so that it fits on one screen.
_IN_FULL_HELP = ("precision", "model_weight_file", "foreground", "allow_fallback")

_METAVARS = {int: "N", float: "X"}

#: An address such as https://..., but not a drive of Windows.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class Request(NamedTuple):
    """What the command line asks for.

    Attributes:
        inputs: paths of photos, videos and folders, or "-" alone.
        output: where the results go, "" for beside the input.
        is_option: whether ``-o`` named the output.
        wanted: which pictures, and in which formats.
        encoding: how they are written.
        force: whether to make finished files again.
        jobs: number of processes, or None for one.
        quiet: whether to print only errors.
        verbose: whether to say what computes.
        max_megapixels: how many megapixels a picture file may have, or None for the usual limit.
        guides: the files, or the folders of them, that guide the photos.
        temporal: whether the user asked for ``temporal``; without a video it has no effect.
        settings: the parameters.
    """

    inputs: list[str]
    output: str
    is_option: bool
    wanted: Wanted
    encoding: Encoding
    force: bool
    jobs: int | None
    quiet: bool
    verbose: bool
    max_megapixels: float | None
    guides: GuideFiles
    temporal: bool
    settings: Settings


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, by the names that the user typed."""

    typed: dict[str, str]

    def error(self, message: str) -> NoReturn:
        # The message of argparse begins with all names of an option.
        found = re.match(r"argument (\S+?)(?:/\S+)*: (.*)", message, re.DOTALL)
        self.exit(2, f"p3m: error: {' '.join(found.groups()) if found else message}\n")

    def flag(self, name: str) -> str:
        """Return an option's name as it was typed, or else as the help has it."""
        return self.typed.get(name) or f"--{name.replace('_', '-')}"

    def read(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Read options and inputs in any order."""
        self.typed = {}
        spelled = []
        for argument in arguments:
            name, equals, value = argument.partition("=")
            # The task's spelling of the parameters will do, too: --input_size.
            flag = name.replace("_", "-") if re.match(r"--[a-z]", name) else name
            if (action := self._option_string_actions.get(flag)) is not None:
                self.typed[action.dest] = name
            spelled.append(flag + equals + value)
        # argparse would also take what follows "--" for options.
        end = spelled.index("--") if "--" in spelled else len(spelled)
        given, unknown = self.parse_known_intermixed_args(_with_box(spelled[:end]))
        given.INPUT += arguments[end + 1 :]
        for argument in unknown:
            if argument.startswith("-"):
                flag = argument.partition("=")[0]
                near = get_close_matches(flag, self._option_string_actions, 1)
                self.error(f"there is no option {shown(flag)}" + (f": did you mean {near[0]}?" if near else ""))
        return vars(given)


def parse(arguments: list[str]) -> Request:
    """Read the command line; wrong usage ends the program with status 2 and one line that says what is wrong."""
    parser = _parser(is_full=False)
    given = parser.read(arguments)
    values = {name: given[name] for name in Settings.names() if given[name] is not None}
    if "background_file" in values:
        values.setdefault("background", IMAGE)
    if "box" in values:
        values.setdefault("subject", BOX)
    try:
        settings = Settings.from_strings({"temporal": True} | values)
    except ValueError as error:
        parser.error(_as_typed(parser, str(error), values))
    if settings.background == IMAGE and not settings.background_file:
        parser.error("--background image needs --background-file PICTURE")
    if settings.subject == BOX and not settings.box:
        parser.error("--subject box needs --box x,y,w,h")
    for name, needed in settings.without_effect(values).items():
        parser.error(f"{parser.flag(name)} has no effect without {needed}")
    if given["jobs"] is not None and given["jobs"] < 1:
        parser.error(f"--jobs must be at least 1, got {given['jobs']}")
    if given["quality"] is not None and not 1 <= given["quality"] <= 100:
        parser.error(f"--quality must lie between 1 and 100, got {given['quality']}")
    if given["max_megapixels"] is not None and not 0 < given["max_megapixels"] < math.inf:
        parser.error(f"--max-megapixels must be a number above 0, got {given['max_megapixels']:g}")
    if given["keep_place"] and not given["keep_metadata"]:
        parser.error("--keep-place has no effect without --keep-metadata")
    guides = _guides(parser, given, settings)
    inputs, output = _places(parser, given)
    if "model_name" not in values:
        settings = replace(settings, model_name=model_here())
    photo, video = _formats(parser, given["format"])
    return Request(
        inputs,
        output,
        given["out"] is not None,
        Wanted(_outputs(parser, given["write"]), "background" in values, settings.is_opaque(), photo, video),
        Encoding(given["quality"], given["keep_metadata"], given["keep_place"], given["depth"] == 16),
        given["force"],
        given["jobs"],
        given["quiet"],
        given["verbose"],
        given["max_megapixels"],
        guides,
        bool(given["temporal"]),
        settings,
    )


def _guides(parser: _Parser, given: dict[str, Any], settings: Settings) -> GuideFiles:
    """Return the files that guide the photos, if they go together with each other and with the parameters."""
    guides = GuideFiles(**{name: given[name] and Path(given[name]) for name in GuideFiles._fields})
    for name, path in guides.given().items():
        if not path.exists():
            parser.error(f"--{name} {shown(path)} is not there: correct the path")
    if guides.trimap and guides.mask:
        parser.error("--trimap and --mask exclude each other: give one of them")
    if guides.given():
        try:
            check_guided(settings.method)
        except ValueError as error:
            parser.error(f"--{error}")
    return guides


def _places(parser: _Parser, given: dict[str, Any]) -> tuple[list[str], str]:
    """Tell the inputs from the output: ``-o`` names it, or it is the second of two."""
    places = given["INPUT"]
    if given["out"] is None and len(places) == 2:
        inputs, output = places[:1], places[1]
    else:
        inputs, output = places, given["out"] or ""
    if not inputs:
        parser.error("name a photo, a video or a folder; p3m --help shows how")
    for text in (*inputs, output):
        if _ADDRESS.match(text):
            parser.error(f"{shown(text)} is an address: download the file first, and give its name")
    return inputs, output


def _as_typed(parser: _Parser, message: str, values: dict[str, Any]) -> str:
    """Let a message about a parameter begin with the option as typed, and end with a near choice."""
    name, space, rest = message.partition(" ")
    if name not in PARAMETERS:
        return message
    near = get_close_matches(str(values.get(name, "")).lower(), PARAMETERS[name].choices, 1)
    return parser.flag(name) + space + rest + (f": did you mean {near[0]}?" if near else "")


def model_here() -> str:
    """Choose the default model: a published one whose weights are on this computer, else the bundled one."""
    from ..p3m import find_weights, list_models
    from ..p3m.model.registry import get_variant

    published = [name for name in list_models() if get_variant(name).published_file and find_weights(name)]
    bundled = [name for name in list_models() if get_variant(name).bundled_file]
    return (published + bundled)[0]


def _outputs(parser: _Parser, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = _words(text)
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown or not names:
        flag = parser.flag("write")
        near = get_close_matches(unknown[0], OUTPUTS, 1) if unknown else []
        hint = f": did you mean {near[0]}?" if near else ""
        if any(mark in text for mark in "./\\"):
            hint = f": -o {text} says where results go"
        parser.error(f"{flag} takes {', '.join(OUTPUTS)}, or several of them with commas, got {shown(text)!r}{hint}")
    return names


def _formats(parser: _Parser, text: str | None) -> tuple[str, str]:
    """Return the suffixes of photos and videos, "" where nothing was chosen."""
    if text is None:
        return "", ""
    names = _words(text.replace(".", ""))
    unknown = [name for name in names if name not in PHOTO_NAMES + VIDEO_NAMES]
    if unknown or not names or len(names) > 2:
        known = f"{', '.join(PHOTO_NAMES)} for photos and {', '.join(VIDEO_NAMES)} for videos"
        parser.error(f"--format takes {known}, or one of each with a comma, got {shown(text)!r}")
    photo = next((f".{name}" for name in names if name in PHOTO_NAMES), "")
    video = next((f".{name}" for name in reversed(names) if name in VIDEO_NAMES), "")
    if len(names) == 2 and not (photo and video):
        parser.error(f"--format takes one format of photos and one of videos, got {shown(text)!r}")
    return photo, video


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))


class _ShortHelp(argparse.RawDescriptionHelpFormatter):
    """Names each option once, and a switch by what it changes, so that the help fits on one screen."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=27, width=80)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        flags = list(action.option_strings)
        if isinstance(action, argparse.BooleanOptionalAction):
            flags = flags[1:] if _PARAMETERS[action.dest].default else flags[:1]
        elif action.dest in PARAMETERS:
            flags = flags[-1:]
        elif action.dest == "write":
            flags = flags[:1]
        return ", ".join(flags) + (f" {action.metavar}" if action.metavar else "")


class _FullHelp(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(_parser(is_full=True).format_help(), end="")
        parser.exit()


def _parser(is_full: bool) -> _Parser:
    """Make the parser.

    Args:
        is_full: whether its help says all about each option, or fits on one screen.
    """
    parser = _Parser(
        prog="p3m",
        usage=_USAGE,
        description="Matte people: cut them out of photos and videos, every strand of hair.",
        epilog=_EXAMPLES + ("\n" + _STATUS if is_full else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter if is_full else _ShortHelp,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("INPUT", nargs="*", help=argparse.SUPPRESS)
    files = parser.add_argument_group("files")

    def add(*flags: str, text: str, more: str = "", **kind: Any) -> None:
        files.add_argument(*flags, help=text + (f"; {more}" if is_full and more else ""), **kind)

    add("-h", "--help", action="help", text="this screen")
    add("--help-all", action=_FullHelp, nargs=0, text="more options, and all about each of them")
    add("--version", action="version", version=f"%(prog)s {__version__}", text="the version")
    add(
        *("-o", "--out"),
        metavar="PLACE",
        text="place of the results: a file, a folder, or - (stdout)",
        more="a file's suffix says the format; with one INPUT, OUTPUT says the same; default: beside the input",
    )
    add(
        *("--write", "--output"),
        metavar="LIST",
        text=f"{', '.join(OUTPUTS)}, or several with commas",
        more="default: cutout, or composite where the format holds no alpha or a background is given",
    )
    add(
        "--format",
        metavar="NAME",
        text=f"{', '.join(PHOTO_NAMES)}; videos: {', '.join(VIDEO_NAMES)}",
        more="one of each with a comma; png turns a video into a folder of frames",
    )
    add(
        "--quality", type=int, metavar="N", text="of JPEG and WebP, 1 to 100", more="default: 95, and WebP without loss"
    )
    more = "the cut-out of a photo of 16 bits keeps its colours where they are not computed anew"
    add("--depth", type=int, choices=(8, 16), default=8, text="bits of mattes and cut-outs in PNG: 8, 16", more=more)
    add(
        "--keep-metadata",
        action="store_true",
        text="keep the photo's metadata (EXIF, XMP)",
        more="without orientation, thumbnail, maker notes and place",
    )
    place = "... and where it was taken" if is_full else argparse.SUPPRESS
    files.add_argument("--keep-place", action="store_true", help=place)
    for name, text, more in (
        ("mask", "a mask from elsewhere, whose edge to refine", "binary or soft"),
        ("trimap", "black: background, white: person, grey: unknown", ""),
        ("corrections", "strokes: green keeps, red removes", "PNG, the rest transparent; blue: the network decides"),
    ):
        places = "for several photos or a video: a folder with a picture of each photo's name, or for each frame"
        add(f"--{name}", metavar="FILE", text=text, more=f"{more}; {places}" if more else places)
    add("--force", action="store_true", text="make existing results again")
    add("--jobs", type=int, metavar="N", text="processes for several photos (default: 1)")
    add("--quiet", action="store_true", text="print only warnings and failures")
    add("-v", "--verbose", action="store_true", text="say which model runs, and what computes it")
    if is_full:
        limit = "megapixels that a picture file may have (default: 100, or the environment variable P3M_MAX_MEGAPIXELS)"
        add("--max-megapixels", type=float, metavar="X", text=limit)
    else:
        files.add_argument("--max-megapixels", type=float, help=argparse.SUPPRESS)
    group = parser.add_argument_group("parameters, as in the Ikomia task")
    for name, parameter in _PARAMETERS.items():
        _add_parameter(group, name, parameter, is_full)
    return parser


def _add_parameter(group: argparse._ArgumentGroup, name: str, parameter: Parameter, is_full: bool) -> None:
    flags = [f"--{name.replace('_', '-')}"]
    kind: dict[str, Any] = {"metavar": _METAVARS.get(type(parameter.default), "TEXT")}
    if name == "model_name":
        flags.append("--model")
    if isinstance(parameter.default, bool):
        kind = {"action": argparse.BooleanOptionalAction}
    default = "" if name == "model_name" or parameter.default == "" else f"default: {parameter.default}"
    if is_full:
        text = parameter.description("", _HERE.get(name, ""), default)
    else:
        # The short help leaves out what follows a comma or a semicolon.
        about = re.split("[,;]", parameter.about)[0]
        values = [*parameter.choices, *([parameter.other.split(" (")[0]] if parameter.other else [])]
        if parameter.default is True:
            about = f"do not {about.split(' if ')[0]}"
        text = ", ".join(values) if values else about
    # argparse expands % in help texts.
    text = text.replace("%", "%%") if is_full or name not in _IN_FULL_HELP else argparse.SUPPRESS
    group.add_argument(*flags, dest=name, default=None, help=text, **kind)
    if name == "cuda":
        group.add_argument(
            "--no-cuda",
            dest="cuda",
            action="store_const",
            const="False",
            help="the same as --cuda False" if is_full else argparse.SUPPRESS,
        )


def _with_box(arguments: list[str]) -> list[str]:
    """Join ``--box`` and its value: argparse takes a value that begins with a minus for an option."""
    joined = list(arguments)
    while "--box" in joined[:-1]:
        place = joined.index("--box")
        joined[place : place + 2] = [f"--box={joined[place + 1]}"]
    return joined
