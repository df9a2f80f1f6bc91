"""Read the options of a subcommand such as ``p3m export``."""

import argparse
from pathlib import Path
from typing import NoReturn

from ..p3m.files.paths import user_path
from .console import say


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line.

    Args:
        name: of the subcommand.
        description: for its help.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(prog=f"p3m {name}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: error: {message}")
        self.exit(2)


def path(text: str) -> Path:
    """Read a path as :func:`user_path` does; its message reaches the user."""
    try:
        return user_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
