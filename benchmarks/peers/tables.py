"""The tables of ``docs/peers.md`` anew from the results: ``python -m benchmarks.peers.tables``.

A table stands under a comment that says what it shows: ``table`` with a row for each method, ``frontier``
with a column for each number that was asked for::

    <!-- table data=gap16,gap64 columns=ev,on asked=3 methods=topk,vsc -->
    <!-- frontier data=patches methods=topk,vsc -->
"""

import re
from pathlib import Path

import numpy as np

from benchmarks.peers.results import RESULTS, Row, markdown, read, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "peers.md"
_TABLE = re.compile(r"(<!-- (table|frontier) (.*) -->\n\n)(?:\|.*\n)*\n*")


def filled(text: str) -> str:
    """The page with every table made from the files of today."""

    def made(found: re.Match[str]) -> str:
        options = {key: value.split(",") for key, value in re.findall(r"(\w+)=(\S+)", found[3])}
        rows = [
            {"data": name.removesuffix("_agreement")} | row
            for name in options["data"]
            for row in sorted(read(RESULTS / f"{name}.csv"), key=lambda row: row.get("method", ""))
        ]
        for option, key in (("methods", "method"), ("asked", "active")):
            rows = [row for row in rows if option not in options or row[key] in options[option]]
        if not rows:
            return found[1]
        lines = _frontier(rows) if found[2] == "frontier" else table(rows, options["columns"])
        return found[1] + markdown(lines) + "\n\n"

    return _TABLE.sub(made, text)


def _frontier(rows: list[Row]) -> list[list[str]]:
    asked = sorted({int(row["active"]) for row in rows})
    lines = [["method", *(f"{number} asked" for number in asked)]]
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for number in asked:
            runs = [row for row in rows if (row["method"], row["active"]) == (method, str(number))]
            ev, on = (np.mean([float(run[name]) for run in runs]) if runs else 0 for name in ("ev", "on"))
            cells.append(f"{ev:.3f} ({on:.3g} on)" if runs else "")
        lines.append([method, *cells])
    return lines


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
