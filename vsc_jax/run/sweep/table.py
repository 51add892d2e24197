"""The numbers of a sweep: ``sweep.csv`` and ``sweep.json``, and a table over seeds for the terminal."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsc_jax.run.sweep.grid import Axis, Member
from vsc_jax.training.run_folder import write_json

_SHOWN = (
    "elbo",
    "iwae",
    "reconstruction",
    "kl",
    "active_per_image",
    "used_latents",
    "probe_accuracy",
    "attributes_found",
)


class Finished(NamedTuple):
    """A member at the end.

    Attributes:
      member: which.
      workdir: its run folder.
      results: its ``results.json``, or None.
      problem: why there are none.
    """

    member: Member
    workdir: Path
    results: dict[str, Any] | None
    problem: str | None


class Summary(NamedTuple):
    """Members that differ only in their seed.

    Attributes:
      settings: what they have in common of the varied settings.
      runs: how many have results.
      mean: mean of every numeric result.
      sd: its sample standard deviation (n - 1) over the seeds; of a single one NaN.
    """

    settings: dict[str, Any]
    runs: int
    mean: dict[str, float]
    sd: dict[str, float]


def summaries(members: Sequence[Finished]) -> list[Summary]:
    """Mean and standard deviation over seeds, in the order of the grid."""
    groups: dict[str, list[Finished]] = {}
    for finished in members:
        settings = {name: value for name, value in finished.member.settings.items() if name != "seed"}
        groups.setdefault(str(settings), []).append(finished)
    rows = []
    for group in groups.values():
        settings = {name: value for name, value in group[0].member.settings.items() if name != "seed"}
        measured = [numbers(finished) for finished in group if finished.results is not None]
        names = list(dict.fromkeys(name for results in measured for name in results))
        values = {name: [results[name] for results in measured if name in results] for name in names}
        with np.errstate(invalid="ignore"):  # of results that are infinite
            mean = {name: float(np.mean(entry)) for name, entry in values.items()}
            sd = {
                name: float(np.std(entry, ddof=1)) if len(entry) > 1 else math.nan
                for name, entry in values.items()
            }
        rows.append(Summary(settings, len(measured), mean, sd))
    return rows


def numbers(finished: Finished) -> dict[str, float]:
    """The numeric results of a member."""
    results = finished.results or {}
    return {
        name: float(value)
        for name, value in results.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def write_tables(workdir: Path, axes: Sequence[Axis], members: Sequence[Finished]) -> None:
    """Write ``sweep.csv``, a row a member, and ``sweep.json``, with mean and deviation over seeds too."""
    fields = [field for axis in axes for field in axis.fields]
    names = list(dict.fromkeys(name for finished in members for name in numbers(finished)))
    temporary = workdir / "sweep.csv.tmp"
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["member", *fields, "problem", *names], lineterminator="\n")
        writer.writeheader()
        for finished in members:
            row: dict[str, Any] = {"member": finished.member.name, "problem": finished.problem or ""}
            writer.writerow(row | finished.member.settings | numbers(finished))
    temporary.replace(workdir / "sweep.csv")
    write_json(workdir / "sweep.json", as_json(axes, members))


def as_json(axes: Sequence[Axis], members: Sequence[Finished]) -> dict[str, Any]:
    """What ``sweep.json`` holds, with null for what is not finite."""
    return {
        "axes": [{"fields": list(axis.fields), "values": list(axis.values)} for axis in axes],
        "members": [
            {
                "member": finished.member.name,
                "settings": finished.member.settings,
                "problem": finished.problem,
                "results": finished.results,
            }
            for finished in members
        ],
        "over_seeds": [
            {
                "settings": row.settings,
                "members": row.runs,
                "mean": row.mean,
                "sd": row.sd,
            }
            for row in summaries(members)
        ],
    }


def table(axes: Sequence[Axis], members: Sequence[Finished]) -> str:
    """The main results as text, a line for each setting: mean and standard deviation over seeds."""
    rows = summaries(members)
    fields = [axis.fields[0] for axis in axes if axis.fields != ("seed",)]
    names = [name for name in _SHOWN if any(name in row.mean for row in rows)]
    lines = [[*fields, "runs", *names]]
    for row in rows:
        cells = [_cell(row, name) for name in names]
        lines.append([*(str(row.settings[field]) for field in fields), str(row.runs), *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(row: Summary, name: str) -> str:
    if name not in row.mean:
        return "-"
    spread = row.sd[name]
    return f"{row.mean[name]:.4g}" + ("" if math.isnan(spread) else f" ± {spread:.2g}")
