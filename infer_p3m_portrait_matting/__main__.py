"""``python -m infer_p3m_portrait_matting``, and the command ``p3m``: the command line, see :mod:`.commands.main`."""

import os
import signal
import sys
from contextlib import suppress

#: The exit status after Ctrl-C.
_STOPPED = 130


def main() -> int:
    """Run the command line; Ctrl-C ends it in one line, also while libraries load. A second Ctrl-C ends it at once."""
    # A shell's background job ignores Ctrl-C, and so do we then.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    try:
        from infer_p3m_portrait_matting.commands.main import main as run

        status = run()
        if signal.getsignal(signal.SIGINT) is _stop:
            # All is done. While libraries shut down, a Ctrl-C would only change the exit status.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        print("p3m: stopped", file=sys.stderr)
        status = _STOPPED
    if status == _STOPPED:
        # All is cleared up. Libraries take their time to shut down, and another Ctrl-C would interrupt them.
        _end()
    return status


def _stop(*_: object) -> None:
    signal.signal(signal.SIGINT, _stop_now)
    raise KeyboardInterrupt


def _stop_now(*_: object) -> None:
    """Wait for nothing that has begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Anything may be half done: an import, or a line that is being printed.
    with suppress(Exception):
        from infer_p3m_portrait_matting.p3m.files.write import remove_unfinished

        remove_unfinished()
    with suppress(Exception):
        print("p3m: stopped", file=sys.stderr)
    _end()


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(_STOPPED)


if __name__ == "__main__":
    sys.exit(main())
