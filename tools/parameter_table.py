"""Write the table of parameters in docs/parameters.md from the facts in pipeline/settings.py, or check it."""

import argparse
import re
import sys
from pathlib import Path

from infer_p3m_portrait_matting.pipeline.settings import PARAMETERS

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "parameters.md"
_BLOCK = re.compile(r"(<!-- parameters -->\n).*?(<!-- end -->\n)", re.DOTALL)


def table() -> str:
    """Return the table in Markdown, one row for each parameter."""
    rows = ["| parameter | default | what it does |", "| --- | --- | --- |"]
    for name, parameter in PARAMETERS.items():
        default = "*(empty)*" if parameter.default == "" else f"`{parameter.default}`"
        rows.append(f"| `{name}` | {default} | {parameter.description('`', parameter.note_on_empty())} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    """Return a text with the table of today between its two marks."""
    return _BLOCK.sub(lambda found: found[1] + table() + found[2], text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the table")
    what.add_argument("--check", action="store_true", help="end with status 1 if the table is not that of today")
    text = GUIDE.read_text(encoding="utf-8")
    if parser.parse_args().check:
        if with_table(text) != text:
            print(f"{GUIDE.name}: run python -m tools.parameter_table --write", file=sys.stderr)
            return 1
        return 0
    GUIDE.write_text(with_table(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
