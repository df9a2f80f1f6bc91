"""The command line: ``p3m INPUT [OUTPUT]``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Threads of OpenMP that spin while they wait starve the other processes; read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# We report what is wrong with a photo ourselves.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

from tqdm import tqdm

from ..p3m.errors import printable, words_of
from ..p3m.files.write import remove_abandoned
from ..pipeline.video import check_video
from . import find_media, options
from .destinations import COMPOSITE, STANDARD, Item, UsageError, holds_alpha, many, refuse_overwriting, single
from .locks import only_one_run
from .options import Request
from .record import plan

if TYPE_CHECKING:
    from ..pipeline.pipeline import Pipeline
    from .convert import Report

#: Number of files to name among those that are not photos.
_NAMED = 10
#: Most warnings to show about one file.
_SHOWN = 3
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
    request = options.parse(sys.argv[1:] if arguments is None else arguments)
    try:
        with _standard_output_free():
            return _run(request)
    except UsageError as error:
        _say(f"p3m: error: {error}")
        return 2
    except OSError as error:
        _say(f"p3m: error: {words_of(error)}")
        return 2
    except KeyboardInterrupt:
        # --force makes all again, and without it the results of an earlier run would pass for this one's.
        is_resumed = Path(request.input).is_dir() and not request.force
        goes_on = "; the same command goes on where it was" if is_resumed else ""
        _say(f"p3m: stopped{goes_on}")
        return 130


def _run(request: Request) -> int:
    path = None if request.input == STANDARD else Path(request.input)
    if path is not None and not path.exists():
        raise UsageError(f"there is no photo, video or folder {path}")
    if path is not None and path.is_dir():
        return _folder(request, path)
    is_video = path is not None and find_media.is_video(path)
    if is_video:
        try:
            check_video(request.settings)
        except ValueError as error:
            raise UsageError(str(error)) from None
    item = single(path, request.output, request.wanted, is_video)
    _check(request, [item])
    planned = plan([item], request.settings, force=True)
    for _, stranger in planned.in_the_way:
        raise UsageError(f"{stranger}: {_IN_THE_WAY}")
    there = [str(file) for file, _ in planned.todo[0].replaceable]
    if there and not request.force:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise UsageError(f"{', '.join(there[:3])}{more}: there already; --force replaces it")
    return _make(planned.todo, request, jobs=1)


def _folder(request: Request, folder: Path) -> int:
    if not request.output or request.output == STANDARD:
        raise UsageError(f"{folder} is a folder: name one for the results, for example p3m {folder} results/")
    results = Path(request.output)
    if results.exists() and not results.is_dir():
        raise UsageError(f"{results} is a file: the results of a folder need a folder")
    if results.resolve() == folder.resolve():
        raise UsageError(
            f"the results must not lie among the photos, or they are matted too: name another folder than {folder}"
        )
    with only_one_run(results):
        found = find_media.find(folder, leave_out=results)
        items = many(found.media, folder, results, request.wanted)
        _check(request, items)
        planned = plan(items, request.settings, request.force)
        if planned.otherwise:
            _say(f"warning: {planned.otherwise} made with other options: --force makes them again")
        failures = found.failures | {item.name: f"{stranger}: {_IN_THE_WAY}" for item, stranger in planned.in_the_way}
        status = _make(planned.todo, request, request.jobs, done_before=len(planned.done), failures=failures)
    if found.results:
        _tell(request, f"passed over, results of p3m: {found.results}")
    if found.others:
        shown = [str(path.relative_to(folder)) for path in found.others[:_NAMED]]
        more = f" and {len(found.others) - _NAMED} more" if len(found.others) > _NAMED else ""
        _tell(request, f"passed over, neither photo nor video: {', '.join(shown)}{more}")
    if not items:
        _say(f"p3m: there is no photo and no video in {folder}")
        return 1
    return status


def _make(
    items: list[Item], request: Request, jobs: int, done_before: int = 0, failures: dict[str, str] | None = None
) -> int:
    """Make the files of all items; return the exit status."""
    failures = dict(failures or {})
    many_items = done_before + len(items) + len(failures) != 1
    done = 0
    for folder in {path.parent for item in items for path in item.targets.values() if str(path) != STANDARD}:
        remove_abandoned(folder)
    if items:
        # Load it here even if other processes compute: a missing part is then reported once, and at once.
        from ..pipeline.pipeline import Pipeline

        try:
            pipeline = Pipeline(request.settings, to_lower="--jobs")
        except (OSError, ValueError, RuntimeError) as error:
            _say(f"p3m: error: {error}")
            return 1
        for substitute in pipeline.substitutes.values():
            if substitute.warning:
                _say(f"warning: {substitute.text}")
        if jobs > 1 and len(items) > 1:
            from .pool import convert_all

            del pipeline
            reports = convert_all(items, request.settings, min(jobs, len(items)))
        else:
            reports = _one_by_one(items, pipeline, request)
        with _bar(request, len(items), "file", disable=not many_items) as bar:
            for item, report in reports:
                _say_warnings(report.warnings)
                if report.error:
                    failures[item.name] = report.error
                else:
                    done += 1
                    if not many_items:
                        _tell(request, _names(item))
                bar.update()
    if many_items:
        before = f", {done_before} were there already (--force makes them again)" if done_before else ""
        failed = f", {len(failures)} failed" if failures else ""
        _tell(request, f"{done} done{before}{failed}")
    if failures:
        _say("failed:")
        for name, reason in sorted(failures.items()):
            _say(f"  {reason}" if reason.startswith(name) else f"  {name}: {reason}")
    return 1 if failures else 0


def _one_by_one(items: list[Item], pipeline: "Pipeline", request: Request) -> Iterator[tuple[Item, "Report"]]:
    from .convert import convert, convert_photos

    if pipeline.batch_size > 1:
        yield from convert_photos([item for item in items if not item.is_video], pipeline)
        items = [item for item in items if item.is_video]
    for item in items:
        if not item.is_video:
            yield item, convert(item, pipeline)
            continue
        with _bar(request, 0, "frame", leave=len(items) == 1, position=min(len(items) - 1, 1)) as bar:

            def advance(done: int, total: int, bar=bar) -> None:
                if total:
                    bar.total = max(total, done)
                bar.update(done - bar.n)

            report = convert(item, pipeline, advance)
        yield item, report


def _check(request: Request, items: list[Item]) -> None:
    """Refuse, before any work, what is certain to fail, or to lose what is read."""
    for item in items:
        for name, path in item.targets.items():
            if str(path) == STANDARD:
                if sys.__stdout__ is not None and sys.__stdout__.isatty():
                    raise UsageError("a picture makes no sense on a terminal: name a file, or send it on by | or >")
            elif name == COMPOSITE and not request.wanted.is_opaque and not holds_alpha(path, item.is_video):
                raise UsageError(f"{path}: {path.suffix} holds no alpha; choose another format or background")
    refuse_overwriting(items, (request.settings.background_path(), request.settings.weights_path()))


def _names(item: Item) -> str:
    return ", ".join("standard output" if str(path) == STANDARD else str(path) for path in item.targets.values())


@contextmanager
def _standard_output_free() -> Iterator[None]:
    """Keep the output of libraries out of a picture on standard output."""
    before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = before


def _bar(request: Request, total: int, unit: str, disable: bool = False, **options) -> tqdm:
    # None: no bar unless standard error is a terminal.
    hidden = True if disable or request.quiet else None
    return tqdm(total=total, unit=unit, disable=hidden, file=sys.stderr, dynamic_ncols=True, **options)


def _tell(request: Request, text: str) -> None:
    if not request.quiet:
        _say(text)


def _say_warnings(warnings: list[str]) -> None:
    more = len(warnings) - _SHOWN
    for warning in warnings if more <= 1 else [*warnings[:_SHOWN], f"... and {more} more warnings like these"]:
        _say(f"warning: {warning}")


def _say(text: str) -> None:
    tqdm.write(printable(text), file=sys.stderr)
