"""Rows of results in small CSV files, and tables of them."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parents[1] / "results" / "peers"
Row = dict[str, str]
_SPREAD = ("ev", "mcc", "f1", "agreement")  # columns with a deviation


def read(path: Path) -> list[Row]:
    """The rows of a file, none where there is no file."""
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def put(path: Path, row: Row, keys: Sequence[str]) -> None:
    """Add a row to a file, in place of one with the same ``keys``."""
    rows = [old for old in read(path) if any(old[key] != row[key] for key in keys)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])


def table(rows: list[Row], columns: Sequence[str]) -> list[list[str]]:
    """Cells of the means over seeds, a line for each data set, number that was asked for, method and budget.

    Beside some stands the deviation of a seed, where there are several and it is .0005 or more.
    """
    names = ("data", "active", "method", "samples", "rate")
    keys = [name for name in names if len({row.get(name) for row in rows}) > 1]
    keys = keys or ["method"]
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in keys)].append(row)
    columns = [name for name in columns if any(row[name] for row in rows)]
    lines = [[*({"active": "asked"}.get(name, name) for name in keys), *columns, "seeds"]]
    for group, runs in groups.items():
        values = ([float(run[name]) for run in runs if run[name]] for name in columns)
        shown = [_shown(name, each) for name, each in zip(columns, values, strict=True)]
        lines.append([*group, *shown, str(len(runs))])
    return lines


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """Cells as a Markdown table, its first line the head."""
    head, *rest = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, "|" + " --- |" * (head.count("|") - 1), *rest])


def _shown(name: str, values: list[float]) -> str:
    if not values:
        return ""
    spread = float(np.std(values, ddof=1)) if name in _SPREAD and len(values) > 1 else 0
    return f"{np.mean(values):.3g}{f' ± {spread:.1g}' if spread >= 0.0005 else ''}"
