"""``python -m infer_p3m_portrait_matting``, and the command ``p3m``: the command line, see :mod:`.commands.main`."""

import sys


def main() -> int:
    """Run the command line; Ctrl-C ends it in one line, also while libraries load."""
    try:
        from infer_p3m_portrait_matting.commands.main import main as run

        return run()
    except KeyboardInterrupt:
        print("p3m: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
