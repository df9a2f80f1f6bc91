"""The options of the command line: one for each parameter of the task, and some for files."""

import argparse
import re
from dataclasses import replace
from typing import NamedTuple

from ..p3m.version import __version__
from ..pipeline.settings import BOX, IMAGE, PARAMETERS, Settings
from .destinations import OUTPUTS, Wanted

_EXAMPLES = """\
examples:
  p3m photo.jpg                        the cut-out, into photo_cutout.png beside it
  p3m photo.jpg out.png                ... into out.png
  p3m photo.jpg out.jpg                the composite on white: JPEG holds no alpha
  p3m photo.jpg --output matte,cutout  photo_matte.png and photo_cutout.png
  p3m photos/ results/ --jobs 2        a folder with its subfolders, by two processes
  p3m clip.mp4 out.mov                 a video with alpha: ProRes 4444; out.webm is VP9
  p3m clip.mp4 out.mp4 --background blur --temporal
  p3m clip.mp4 frames/%05d.png         a sequence of pictures
  p3m - - < photo.jpg > cutout.png     from standard input to standard output

Exit status: 0 when all is done, 1 when anything failed, 2 when the options are wrong, 130 after Ctrl-C.
"""

#: What differs from the task, for the help.
_HERE = {
    "model_name": "default: a published model whose weights are on this computer, else the bundled one",
    "background": "given without --output, it asks for the composite",
    "background_file": "it implies --background image",
    "box": "it implies --subject box",
}

_METAVARS = {int: "N", float: "X"}


class Request(NamedTuple):
    """The request that the command line makes.

    Attributes:
        input: path of a photo, a video or a folder, or "-".
        output: where the results go, "" for beside the input.
        wanted: which pictures.
        force: whether to make finished files again.
        jobs: number of processes.
        quiet: whether to print only errors.
        settings: the parameters.
    """

    input: str
    output: str
    wanted: Wanted
    force: bool
    jobs: int
    quiet: bool
    settings: Settings


def parse(arguments: list[str]) -> Request:
    """Read the command line; wrong usage ends the program with status 2 and one line that says what is wrong."""
    parser = _parser()
    given = vars(parser.parse_args(_with_box([_with_dashes(argument) for argument in arguments])))
    values = {name: given[name] for name in Settings.names() if given[name] is not None}
    if "background_file" in values:
        values.setdefault("background", IMAGE)
    if "box" in values:
        values.setdefault("subject", BOX)
    try:
        settings = Settings.from_strings(values)
    except ValueError as error:
        parser.error(str(error))
    if settings.background == IMAGE and not settings.background_file:
        parser.error("--background image needs --background-file PICTURE")
    if settings.subject == BOX and not settings.box:
        parser.error("--subject box needs --box x,y,w,h")
    for name, needed in settings.without_effect(values).items():
        parser.error(f"--{name.replace('_', '-')} has no effect without {needed}")
    if given["jobs"] < 1:
        parser.error(f"--jobs must be at least 1, got {given['jobs']}")
    if "model_name" not in values:
        settings = replace(settings, model_name=_model_here())
    return Request(
        given["input"],
        given["OUTPUT"] or "",
        Wanted(_outputs(parser, given["output"]), "background" in values, settings.is_opaque()),
        given["force"],
        given["jobs"],
        given["quiet"],
        settings,
    )


def _model_here() -> str:
    """Choose the default model: a published one whose weights are on this computer, else the bundled one."""
    from ..p3m import find_weights, list_models
    from ..p3m.model.registry import get_variant

    published = [name for name in list_models() if get_variant(name).published_file and find_weights(name)]
    bundled = [name for name in list_models() if get_variant(name).bundled_file]
    return (published + bundled)[0]


def _outputs(parser: argparse.ArgumentParser, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown or not names:
        parser.error(f"--output takes {', '.join(OUTPUTS)}, or several of them with commas, got {text!r}")
    return tuple(names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="p3m",
        description="Matte people: cut them out of photos and videos, every strand of hair.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("input", metavar="INPUT", help="a photo, a video or a folder; - reads a photo from stdin")
    parser.add_argument(
        "OUTPUT",
        nargs="?",
        help="a file, whose suffix says the format, a folder, or - for stdout; default: beside the photo or video",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--output",
        metavar="LIST",
        help=f"which pictures: {', '.join(OUTPUTS)}, or several with commas; default: cutout, or composite where the "
        "format holds no alpha or a background is given",
    )
    files.add_argument("--force", action="store_true", help="make again what is there already")
    files.add_argument("--jobs", type=int, default=1, metavar="N", help="processes for a folder (default: 1)")
    files.add_argument("--quiet", action="store_true", help="show only warnings and failures, and no progress")
    group = parser.add_argument_group("parameters, as in the Ikomia task")
    for name, parameter in PARAMETERS.items():
        flags = [f"--{name.replace('_', '-')}"]
        kind: dict = {"metavar": _METAVARS.get(type(parameter.default), "TEXT")}
        if name == "model_name":
            flags.append("--model")
        elif name == "cuda":
            group.add_argument(
                "--no-cuda", dest="cuda", action="store_const", const="False", help="the same as --cuda False"
            )
        if isinstance(parameter.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        default = "" if name == "model_name" or parameter.default == "" else f"default: {parameter.default}"
        text = parameter.description("", _HERE.get(name, ""), default)
        # argparse expands % in help texts.
        group.add_argument(*flags, dest=name, default=None, help=text.replace("%", "%%"), **kind)
    return parser


def _with_box(arguments: list[str]) -> list[str]:
    """Join ``--box`` and its value, which argparse takes for an option where it begins with a minus."""
    joined = list(arguments)
    while "--box" in joined[:-1]:
        place = joined.index("--box")
        joined[place : place + 2] = [f"--box={joined[place + 1]}"]
    return joined


def _with_dashes(argument: str) -> str:
    """Also accept the task's spelling of the parameters: ``--input_size``."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if re.match(r"--[a-z]", name) else argument
