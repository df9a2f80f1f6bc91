"""Print for the command line: names of results on standard output, everything else on standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from tqdm import tqdm

from ..p3m.errors import printable

#: Most warnings to show about one file.
_SHOWN = 3


def say(text: str) -> None:
    """Print a line on standard error, above a progress bar if there is one; control characters are escaped."""
    if sys.stderr is not None:
        tqdm.write("\n".join(printable(line) for line in text.split("\n")), file=sys.stderr)


def say_warnings(warnings: list[str]) -> None:
    """Print the first warnings about one file."""
    more = len(warnings) - _SHOWN
    for warning in warnings if more <= 1 else [*warnings[:_SHOWN], f"... and {more} more warnings like these"]:
        say(f"warning: {warning}")


class Console:
    """Prints about one run.

    Args:
        out: standard output, or None if it is closed.
        quiet: whether only warnings and failures are printed.
    """

    def __init__(self, out: TextIO | None, quiet: bool) -> None:
        self._out, self._quiet = out, quiet

    def tell(self, text: str) -> None:
        """Print a line that ``--quiet`` leaves out."""
        if not self._quiet:
            say(text)

    def name(self, path: object) -> None:
        """Print the name of a result."""
        if self._out is not None and not self._quiet:
            tqdm.write(printable(path), file=self._out)
            self._out.flush()

    def bar(self, total: int, unit: str, disable: bool = False, **options: Any) -> tqdm:
        """Show progress, where standard error is a terminal."""
        hidden = True if disable or self._quiet or sys.stderr is None else None
        return tqdm(total=total, unit=unit, disable=hidden, file=sys.stderr, dynamic_ncols=True, **options)


@contextmanager
def standard_output_free() -> Iterator[TextIO | None]:
    """Keep what libraries print out of standard output, and files out of the place of a stream that is closed.

    Yields:
        Standard output, or None if it is closed.
    """
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            # The next file to be opened would get this number, and what libraries print would go into it.
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    before, sys.stdout = sys.stdout, sys.stderr
    try:
        yield before
    finally:
        sys.stdout = before
