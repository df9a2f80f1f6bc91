"""The command line: ``p3m INPUT [OUTPUT]``, or ``p3m INPUT... -o FOLDER``."""

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

# Threads of OpenMP that spin while they wait starve the other processes; read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# We report what is wrong with a photo ourselves.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

from ..p3m.errors import printable, words_of
from ..p3m.files.formats import PHOTO_FORMATS
from ..p3m.files.write import remove_abandoned
from ..p3m.video.formats import FORMATS as VIDEO_FORMATS
from ..pipeline.outputs import COMPOSITE
from ..pipeline.video import check_video
from . import find_media, options
from .console import Console, say, say_warnings, standard_output_free
from .destinations import STANDARD, Item, UsageError, holds_alpha, many, refuse_overwriting, single
from .find_media import Found
from .locks import only_one_run
from .options import Request
from .record import plan

if TYPE_CHECKING:
    from ..pipeline.pipeline import Pipeline
    from .convert import Report

#: Subcommands and their modules. Where a file or folder of that name exists, it is matted all the same.
SUBCOMMANDS = {"export": "export", "check-weights": "check_weights", "serve": "serve"}
#: Number of files to name among those that are not photos.
_NAMED = 10
#: So many photos are done before PyTorch, where it is the faster runtime, makes up for its start.
_FEW = 10
_IN_THE_WAY = (
    "there already, and p3m did not make it, or it was changed since: it is never replaced; move it, or name another "
    "place for the results"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        The exit status: 0 when all is done, 1 when anything failed, 2 for wrong usage, 130 after Ctrl-C.
    """
    request = None
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments and arguments[0] in SUBCOMMANDS and not os.path.lexists(arguments[0]):
            status: int = import_module(f".{SUBCOMMANDS[arguments[0]]}", __package__).main(arguments[1:])
            return status
        request = options.parse(arguments)
        if request.max_megapixels is not None:
            from ..p3m.files.limits import MEGAPIXELS_VARIABLE

            # In the environment, because the processes that work for this one must know it, too.
            os.environ[MEGAPIXELS_VARIABLE] = f"{request.max_megapixels:g}"
        with standard_output_free() as out:
            return _run(request, Console(out, request.quiet))
    except UsageError as error:
        say(f"p3m: error: {error}")
        return 2
    except OSError as error:
        say(f"p3m: error: {words_of(error)}")
        return 2
    except KeyboardInterrupt:
        # --force makes all again, and without it the results of an earlier run would pass for this one's.
        is_resumed = request is not None and not request.force and any(Path(name).is_dir() for name in request.inputs)
        say(f"p3m: stopped{'; the same command goes on where it was' if is_resumed else ''}")
        return 130


def _run(request: Request, console: Console) -> int:
    for name in (*request.inputs, request.output):
        try:
            os.fsencode(name)
        except UnicodeEncodeError:
            raise UsageError(f"{name} is no possible name of a file") from None
    if STANDARD in request.inputs:
        if len(request.inputs) > 1:
            raise UsageError("- stands for a photo from standard input, and goes with no other input")
        if sys.stdin is None:
            raise UsageError("standard input is closed: name a photo, a video or a folder")
    for name in request.inputs:
        if name != STANDARD and not Path(name).exists():
            is_place = name == request.inputs[-1] and len(request.inputs) > 2 and not request.output
            hint = f": for a place of results write -o {name}" if is_place else ""
            raise UsageError(f"there is no photo, video or folder {name}{hint}")
    if len(request.inputs) == 1 and not Path(request.inputs[0]).is_dir():
        return _one(request, console)
    return _many(request, console)


def _one(request: Request, console: Console) -> int:
    """Make the results of one photo or video."""
    path = None if request.inputs[0] == STANDARD else Path(request.inputs[0])
    is_video = path is not None and find_media.is_video(path, request.output)
    for idle in _idle(request, [is_video]):
        raise UsageError(idle)
    item = single(path, request.output, request.wanted, is_video)
    for target in item.files():
        # The file should not be there; any other error would return later.
        with suppress(FileNotFoundError):
            target.lstat()
    guides = request.guides
    if any(place.is_dir() for place in guides.given().values()) and not is_video:
        if path is None:
            raise UsageError("a photo from standard input has no name: name the file that guides it, not a folder")
        guides = guides.partners(Path(path.name), is_video)
    (item,) = _checked(request, [item._replace(guides=guides)])
    planned = plan([item], request.settings, force=True)
    for _, stranger in planned.in_the_way:
        hint = ""
        if not request.is_option and (find_media.is_video(stranger) or find_media.is_photo(stranger)):
            hint = "; for results of both, name a folder for them: -o results/"
        raise UsageError(f"{stranger}: {_IN_THE_WAY}{hint}")
    there = [str(file) for file, _ in planned.todo[0].replaceable]
    if there and not request.force:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise UsageError(f"{', '.join(there[:3])}{more}: there already; --force replaces it")
    return _make(planned.todo, request, console)


def _many(request: Request, console: Console) -> int:
    """Make the results of several photos and videos, and of those in folders."""
    if request.output == STANDARD:
        raise UsageError("standard output holds one picture: name a folder for the results of several")
    results = Path(request.output) if request.output else None
    if results is not None:
        if os.path.lexists(results) and not results.is_dir():
            results.stat()  # a loop of links says what it is
            what = "a folder" if len(request.inputs) == 1 else "several inputs"
            raise UsageError(f"{results} is a file: the results of {what} need a folder")
        if not results.exists() and results.suffix.lower() in (*PHOTO_FORMATS, *VIDEO_FORMATS):
            raise UsageError(f"{results} is named like a file: several results need a folder, such as results/")
    with nullcontext() if results is None else only_one_run(results):
        found, sources = _found(request, results)
        for idle in _idle(request, [is_video for _, is_video, _ in sources]):
            # What lies in a folder, a user may not know.
            if not any(Path(name).is_dir() for name in request.inputs):
                raise UsageError(idle)
            say(f"warning: {idle}")
        items, failures = _guided(request, many(sources, request.wanted), sources, results)
        items = _checked(request, items)
        planned = plan(items, request.settings, request.force)
        if planned.otherwise:
            say(f"warning: {planned.otherwise} made with other options: --force makes them again")
        failures |= found.failures | {item.name: f"{stranger}: {_IN_THE_WAY}" for item, stranger in planned.in_the_way}
        status = _make(planned.todo, request, console, len(planned.done), failures)
    if found.results:
        console.tell(f"passed over, results of p3m: {found.results}")
    if found.hidden:
        console.tell(f"passed over, hidden files and folders of thumbnails: {found.hidden}")
    if found.others:
        more = f" and {len(found.others) - _NAMED} more" if len(found.others) > _NAMED else ""
        console.tell(f"passed over, neither photo nor video: {', '.join(map(str, found.others[:_NAMED]))}{more}")
    if not items and not failures:
        say(f"p3m: there is no photo and no video in {', '.join(request.inputs)}")
        return 1
    return status


def _idle(request: Request, are_videos: list[bool]) -> list[str]:
    """Say which options have no effect on the photos and videos.

    Args:
        are_videos: for each file, whether it is a video.
    """
    if not are_videos:
        return []
    idle = ["--temporal has no effect without a video"] if request.temporal and not any(are_videos) else []
    if request.jobs is not None and len(are_videos) == 1:
        idle.append(f"--jobs has no effect on one {'video' if are_videos[0] else 'photo'}")
    return idle


def _found(request: Request, results: Path | None) -> tuple[Found, list[tuple[Path, bool, Path]]]:
    """Return what was passed over, and the photos and videos, each with the folder for its results."""
    passed_over = Found([], [], {})
    sources: dict[Path, tuple[Path, bool, Path]] = {}
    for path in map(Path, request.inputs):
        if not path.is_dir():
            sources.setdefault(path, (path, find_media.is_video(path), results or path.parent))
            continue
        if results is None:
            raise UsageError(f"{path} is a folder: name one for the results, for example p3m {path} -o results/")
        if os.path.realpath(results) == os.path.realpath(path):
            raise UsageError(
                f"the results must not lie among the photos, or they are matted too: name another folder than {path}"
            )
        # As with cp: one folder gives its content, several folders keep their names.
        place = results if len(request.inputs) == 1 else results / path.resolve().name
        found = find_media.find(path, leave_out=results)
        guides = [folder.resolve() for folder in request.guides.given().values() if folder.is_dir()]
        for source, is_video in found.media:
            if any(source.resolve().is_relative_to(folder) for folder in guides):
                continue
            sources.setdefault(source, (source, is_video, place / source.parent.relative_to(path)))
        passed_over = Found(
            [],
            [*passed_over.others, *(other.relative_to(path) for other in found.others)],
            passed_over.failures | found.failures,
            passed_over.results + found.results,
            passed_over.hidden + found.hidden,
        )
    return passed_over, list(sources.values())


def _guided(
    request: Request, items: list[Item], sources: list[tuple[Path, bool, Path]], results: Path | None
) -> tuple[list[Item], dict[str, str]]:
    """Give each photo and video the files that guide it; return those that have all, and why others have not."""
    for name, place in request.guides.given().items():
        if not place.is_dir():
            raise UsageError(f"--{name} {place} is one file: for several photos, name a folder with a file for each")
    # In the folder of guides, a photo has the place that its results have among the results.
    places = {source: place.relative_to(results or source.parent) for source, _, place in sources}
    guided, failures = [], {}
    for item in items:
        assert item.source is not None, "only a single photo comes from standard input"
        try:
            partners = request.guides.partners(places[item.source] / item.source.name, item.is_video)
        except FileNotFoundError as error:
            failures[item.name] = str(error)
        else:
            guided.append(item._replace(guides=partners))
    return guided, failures


def _make(
    items: list[Item],
    request: Request,
    console: Console,
    done_before: int = 0,
    failures: dict[str, str] | None = None,
) -> int:
    """Make the files of all items; return the exit status."""
    failures = dict(failures or {})
    many_items = done_before > 0 or len(items) != 1 or bool(failures)
    done, nobody = 0, []
    for folder in {path.parent for item in items for path in item.files()}:
        remove_abandoned(folder)
    if items:
        # Load it here even if other processes compute: a missing part is then reported once, and at once.
        from ..pipeline.pipeline import Pipeline

        try:
            few = len(items) <= _FEW and not any(item.is_video for item in items)
            pipeline = Pipeline(request.settings, to_lower="--jobs" if request.jobs else "", few=few)
        except (OSError, ValueError, RuntimeError) as error:
            say(f"p3m: error: {error}")
            return 1
        say_warnings([each.text for each in pipeline.substitutes.values() if each.warning])
        if request.verbose:
            say(pipeline.model.about())
        jobs = min(request.jobs or 1, len(items))
        if jobs > 1:
            from .pool import convert_all

            del pipeline
            reports = convert_all(items, request.settings, jobs, few)
        else:
            reports = _one_by_one(items, pipeline, console)
        with console.bar(len(items), "file", disable=not many_items) as bar:
            for item, report in reports:
                say_warnings(report.warnings)
                if report.error:
                    failures[item.name] = report.error
                else:
                    done += 1
                    if not report.has_person:
                        nobody.append(item.name)
                    for path in item.files():
                        console.name(path)
                bar.update()
    if many_items:
        before = f", {done_before} were there already (--force makes them again)" if done_before else ""
        failed = f", {len(failures)} failed" if failures else ""
        console.tell(f"{done} done{before}{failed}")
        if nobody:
            say("nobody was found in:")
            for name in sorted(nobody):
                say(f"  {name}")
    if failures:
        say("failed:")
        for name, reason in sorted(failures.items()):
            say(f"  {reason}" if reason.startswith(printable(name)) else f"  {name}: {reason}")
    return 1 if failures else 0


def _one_by_one(items: list[Item], pipeline: "Pipeline", console: Console) -> Iterator[tuple[Item, "Report"]]:
    from .convert import convert, convert_photos

    if pipeline.batch_size > 1:
        yield from convert_photos([item for item in items if not item.is_video], pipeline)
        items = [item for item in items if item.is_video]
    for item in items:
        if not item.is_video:
            yield item, convert(item, pipeline)
            continue
        with console.bar(0, "frame", leave=len(items) == 1, position=min(len(items) - 1, 1)) as bar:

            def advance(done: int, total: int, bar=bar) -> None:
                if total:
                    bar.total = max(total, done)
                bar.update(done - bar.n)

            report = convert(item, pipeline, advance)
        yield item, report


def _checked(request: Request, items: list[Item]) -> list[Item]:
    """Refuse, before any work, what is certain to fail, to lose what is read, or to have no effect.

    Returns:
        The items, with the way in which their files are to be written.
    """
    has_folder = any(Path(name).is_dir() for name in request.inputs)
    if not has_folder:
        # Refuse a video at once if the parameters do not suit it; in a folder, each video reports that for itself.
        for item in items:
            if item.is_video:
                try:
                    check_video(request.settings)
                except ValueError as error:
                    raise UsageError(str(error).replace("crop", "--crop", 1)) from None
    if request.settings.mask_band() is not None and not request.guides.mask:
        raise UsageError("--band has no effect without --mask")
    suffixes = {path.suffix.lower() for item in items for path in item.files()}
    has_quality = any(form.has_quality() for suffix, form in PHOTO_FORMATS.items() if suffix in suffixes)
    if request.encoding.quality is not None and items and not has_quality:
        raise UsageError("--quality has no effect without .jpg or .webp")
    deep = [path for item in items for name, path in item.targets.items() if not item.is_video and name != COMPOSITE]
    if request.encoding.is_deep and items and not deep:
        raise UsageError("--depth 16 has no effect without the matte or the cut-out of a photo")
    if request.encoding.is_deep and any(path.suffix.lower() != ".png" for path in deep if str(path) != STANDARD):
        raise UsageError("--depth 16 needs results in PNG")
    for item in items:
        for name, path in item.targets.items():
            if str(path) == STANDARD:
                if sys.__stdout__ is None:
                    raise UsageError("standard output is closed: name a file")
                if sys.__stdout__.isatty():
                    raise UsageError("a picture makes no sense on a terminal: name a file, or send it on by | or >")
            elif name == COMPOSITE and not request.wanted.is_opaque and not holds_alpha(path, item.is_video):
                raise UsageError(f"{path}: {path.suffix} holds no alpha; choose another format or background")
    guides = (path for item in items for path in item.guides.given().values())
    refuse_overwriting(items, (request.settings.background_path(), request.settings.weights_path(), *guides))
    return [item._replace(encoding=request.encoding) for item in items]
