"""``python -m infer_p3m_portrait_matting``: the command line, see :mod:`.commands.main`."""

import sys

if __name__ == "__main__":
    from infer_p3m_portrait_matting.commands.main import main

    sys.exit(main())
