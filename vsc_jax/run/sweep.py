"""Sweeps: the runs of a grid of settings, trained together, and what they show side by side.

``sweep.csv`` has one row per member, ``sweep.json`` means and deviations over seeds too, ``figures/`` the
bound against every number that was varied. :mod:`vsc_jax.run.grid` says which runs a grid has.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from vsc_jax import data
from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
from vsc_jax.data.identity import describe
from vsc_jax.evaluation.glossary import in_columns
from vsc_jax.figures.curves import Curve, draw_curves
from vsc_jax.figures.style import as_png
from vsc_jax.run import finish
from vsc_jax.run.grid import Axis, Member, axes_of, default_workdir, expand
from vsc_jax.training.loop import check_members, train_members
from vsc_jax.training.run_folder import Row, claim, hold, read_results, write_file, write_json
from vsc_jax.training.schedules import without_hyperparameters
from vsc_jax.training.sharding import members_sharding

__all__ = ["Axis", "Member", "Sweep", "axes_of", "default_workdir", "expand", "sweep", "table"]

_COLUMNS = (
    "elbo", "iwae", "reconstruction", "kl", "active_per_image", "used_latents", "probe_accuracy",
    "attributes_found",
)  # fmt: skip


class Sweep(NamedTuple):
    """A sweep that is done: members with their results, in the order of the grid, and files of figures."""

    members: list[Member]
    figures: list[Path]


class Summary(NamedTuple):
    """Runs that differ only in their seed.

    ``settings`` are the others that were varied; ``members`` says how many have results; ``mean`` and ``sd``
    (of a sample, n - 1; NaN for a single seed) are those of every numeric result.
    """

    settings: dict[str, Any]
    members: int
    mean: dict[str, float]
    sd: dict[str, float]


def sweep(
    config: Config,
    axes: Sequence[Axis],
    workdir: str | Path,
    *,
    memory: int | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_rows: Callable[[list[Row]], object] | None = None,
    on_member: Callable[[Member], None] | None = None,
) -> Sweep:
    """Train every combination of the axes' values and write what came out of it to ``workdir``.

    Members that differ in their seeds and in traced hyperparameters alone are trained by one compiled
    program, in waves that fit memory. Each has the run folder of a solo run. Finished members are read,
    others go on from their checkpoints.

    Args:
      config: what all members share; ``config.parallel`` says over which devices they are spread.
      axes: what varies, such as ``[Axis(("model.alpha",), (0.01, 0.1)), Axis(("seed",), (0, 1, 2))]``.
      workdir: made when missing.
      memory: bytes that a wave may take on each device; most of what is free if not given.
      on_stage: called with a few words before each part of the work.
      on_rows: called at every log point with the rows of the wave's members.
      on_member: called with each member when its results are there, or when it has failed.

    Raises:
      UserError: if a value, the data or a folder cannot be used; nothing has been overwritten.
      Stopped: on SIGINT or SIGTERM while training, after a checkpoint of every member of the wave.
    """
    members, workdir = expand(config, axes), as_path(workdir, "workdir")
    sharding = members_sharding(config.parallel)
    load = cache(data.load)
    groups: dict[Config, list[Member]] = {}  # members that one program can train
    for member in members:
        load(member.config.data)
        groups.setdefault(without_hyperparameters(member.config), []).append(member)
    for first, *_ in groups.values():
        check_members(first.config, load(first.config.data))
    ended: dict[str, Member] = {}

    def end(member: Member, results: dict[str, Any] | None, problem: str | None = None) -> None:
        ended[member.name] = member._replace(results=results, problem=problem)
        write_tables(workdir, axes, [ended[m.name] for m in members if m.name in ended])
        if on_member is not None:
            on_member(ended[member.name])

    with hold(workdir), ExitStack() as folders:
        described = cache(lambda settings: describe(load(settings)))
        # Folders that are there come first, so that a refusal leaves no new ones.
        there = {member.name: (workdir / member.name / "config.json").exists() for member in members}
        for member in sorted(members, key=lambda member: not there[member.name]):
            folders.enter_context(hold(workdir / member.name))
            claim(workdir / member.name, member.config, described(member.config.data))
        for group in groups.values():
            waiting = []
            for member in group:
                if (path := workdir / member.name / "results.json").exists():
                    end(member, read_results(path))
                else:
                    waiting.append(member)
            if not waiting:
                continue
            dataset = load(group[0].config.data)
            outcomes = train_members(
                [member.config for member in waiting],
                dataset,
                [workdir / member.name for member in waiting],
                sharding=sharding,
                memory=memory,
                on_stage=on_stage,
                on_rows=on_rows,
            )
            for number, trained in outcomes:
                member = waiting[number]
                if isinstance(trained, UserError):
                    end(member, None, str(trained))
                    continue
                on_stage(f"evaluating {member.name}")
                end(member, finish(trained, member.config, dataset, workdir / member.name).results)
        finished = [ended[member.name] for member in members]
        return Sweep(finished, draw_pictures(workdir / "figures", axes, finished))


def summaries(runs: Sequence[tuple[dict[str, Any], dict[str, Any] | None]]) -> list[Summary]:
    """Means and deviations over the seeds of runs, given as settings and results, in their order."""
    groups: dict[str, tuple[dict[str, Any], list[dict[str, float]]]] = {}
    for settings, results in runs:
        others = {name: value for name, value in settings.items() if name != "seed"}
        _, measured = groups.setdefault(str(others), (others, []))
        measured += [] if results is None else [numbers(results)]
    rows = []
    for settings, measured in groups.values():
        names = dict.fromkeys(name for results in measured for name in results)
        values = {name: [results[name] for results in measured if name in results] for name in names}
        with np.errstate(invalid="ignore"):  # of results that are infinite
            mean = {name: float(np.mean(each)) for name, each in values.items()}
            sd = {name: float(np.std(v, ddof=1)) if len(v) > 1 else math.nan for name, v in values.items()}
        rows.append(Summary(settings, len(measured), mean, sd))
    return rows


def _over_seeds(members: Sequence[Member]) -> list[Summary]:
    return summaries([(member.settings, member.results) for member in members])


def numbers(results: dict[str, Any] | None) -> dict[str, float]:
    """The numeric results."""
    return {name: float(value) for name, value in (results or {}).items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_tables(workdir: Path, axes: Sequence[Axis], members: Sequence[Member]) -> None:
    """Write ``sweep.csv``, one row per member, and ``sweep.json``, with mean and deviation over seeds too."""
    fields = [field for axis in axes for field in axis.fields]
    names = dict.fromkeys(name for member in members for name in numbers(member.results))
    temporary = workdir / "sweep.csv.tmp"
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["member", *fields, "problem", *names], lineterminator="\n")
        writer.writeheader()
        for member in members:
            row = {"member": member.name, "problem": member.problem or ""}
            writer.writerow(row | member.settings | numbers(member.results))
    temporary.replace(workdir / "sweep.csv")
    write_json(workdir / "sweep.json", as_json(axes, members))


def as_json(axes: Sequence[Axis], members: Sequence[Member]) -> dict[str, Any]:
    """What ``sweep.json`` holds, with null for what is not finite."""
    return {
        "axes": [axis._asdict() for axis in axes],
        "members": [
            {"member": m.name, "settings": m.settings, "problem": m.problem, "results": m.results}
            for m in members
        ],
        "over_seeds": [row._asdict() for row in _over_seeds(members)],
    }


def table(axes: Sequence[Axis], members: Sequence[Member]) -> str:
    """The main results as text, a line for each setting: mean and standard deviation over seeds."""
    rows = _over_seeds(members)
    fields = [axis.fields[0] for axis in axes if axis.fields != ("seed",)]
    names = [name for name in _COLUMNS if any(name in row.mean for row in rows)]
    lines = [[*fields, "runs", *names]]
    for row in rows:
        spreads = {name: "" if math.isnan(sd) else f" ± {sd:.2g}" for name, sd in row.sd.items()}
        cells = [f"{row.mean[name]:.4g}{spreads[name]}" if name in row.mean else "-" for name in names]
        lines.append([*(str(row.settings[field]) for field in fields), str(row.members), *cells])
    return in_columns(lines)


def draw_pictures(folder: Path, axes: Sequence[Axis], members: Sequence[Member]) -> list[Path]:
    """Draw ``bound_against_FIELD.png`` for every varied number that has two values with results."""
    rows = [row for row in _over_seeds(members) if row.members]
    if not rows:
        return []
    bound, quantity = ("elbo", "true bound") if "elbo" in rows[0].mean else ("reconstruction", "log p(x|z)")
    figures: dict[str, Figure] = {}
    for fields in (axis.fields for axis in axes):
        groups: dict[str, list[Summary]] = {}  # by what else was varied
        for row in rows:
            others = {name.rpartition(".")[2]: v for name, v in row.settings.items() if name not in fields}
            name = ", ".join(f"{name} {value}" for name, value in others.items())
            groups.setdefault(name or "members", []).append(row)
        if curves := curves_along(groups, fields[0], bound):
            figures[f"bound_against_{fields[0]}"] = draw_curves(fields[0], curves, quantity)
            on = curves_along(groups, fields[0], bound, "active_per_image")
            if on and fields[0] == "model.alpha":
                figures["bound_against_active"] = draw_curves("active_per_image", on, quantity)
    if figures:
        folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        write_file(folder / f"{name}.png", as_png(figure))
    return [folder / f"{name}.png" for name in figures]


def curves_along(
    groups: Mapping[str, Sequence[Summary]], field: str, result: str, against: str | None = None
) -> list[Curve]:
    """A curve of a result for each group of rows, along a field or ``against`` another result.

    Empty where the field's values are no numbers (the rows are means over the seeds, which are none either),
    or where no curve has two.
    """
    if not all(_is_number(row.settings.get(field)) for rows in groups.values() for row in rows):
        return []
    curves = []
    for name, every in groups.items():
        if rows := [row for row in every if {result, against or result} <= row.mean.keys()]:
            x = np.array([row.mean[against] if against else row.settings[field] for row in rows], float)
            mean, sd = np.array([row.mean[result] for row in rows]), _spread(rows, result)
            curves.append(Curve(name, x, mean, sd, None if against is None else _spread(rows, against)))
    return curves if any(len(curve.mean) > 1 for curve in curves) else []


def _spread(rows: Sequence[Summary], result: str) -> np.ndarray | None:
    sd = np.array([row.sd[result] for row in rows])
    return None if np.isnan(sd).all() else np.nan_to_num(sd)
