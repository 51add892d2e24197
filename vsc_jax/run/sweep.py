"""Sweeps: the runs of a grid of settings, trained together, and what they show side by side.

``sweep.csv`` has a row a member, ``sweep.json`` means and deviations over seeds too, ``figures/`` the bound
against every number that was varied. :mod:`vsc_jax.run.grid` says which runs a grid has.
"""

import csv
import json
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from vsc_jax import data as data_package
from vsc_jax.config import Config
from vsc_jax.config.fields import to_plain
from vsc_jax.config.paths import as_path
from vsc_jax.data.identity import describe
from vsc_jax.figures.curves import Curve, draw_curves
from vsc_jax.figures.style import save
from vsc_jax.run import finish
from vsc_jax.run.grid import Axis, Member, axes_of, default_workdir, expand
from vsc_jax.training.loop import check_members, train_members
from vsc_jax.training.run_folder import Row, claim, hold, read_results, write_json
from vsc_jax.training.schedules import without_hyperparameters
from vsc_jax.training.sharding import members_sharding

__all__ = ["Axis", "Finished", "Member", "Sweep", "axes_of", "default_workdir", "expand", "sweep", "table"]

_COLUMNS = (
    "elbo", "iwae", "reconstruction", "kl", "active_per_image", "used_latents", "probe_accuracy",
    "attributes_found",
)  # fmt: skip


class Finished(NamedTuple):
    """A member at the end, with its ``results.json``, or the problem for which there is none."""

    member: Member
    workdir: Path
    results: dict[str, Any] | None
    problem: str | None


class Sweep(NamedTuple):
    """A sweep that is done.

    Attributes:
      workdir: the folder of the run folders, with ``sweep.csv``, ``sweep.json`` and ``figures/``.
      members: every member with its results or its problem, in the order of the grid.
      figures: the pictures that were drawn.
    """

    workdir: Path
    members: list[Finished]
    figures: list[Path]


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


def sweep(
    config: Config,
    axes: Sequence[Axis],
    workdir: str | Path,
    *,
    memory: int | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_rows: Callable[[list[Row]], object] | None = None,
    on_member: Callable[[Finished], None] | None = None,
) -> Sweep:
    """Train every combination of the axes' values and write what came out of it.

    Members that differ in their seeds and in traced hyperparameters alone are trained by one compiled
    program, in waves that fit memory. Each has the run folder of a solo run. Finished members are read,
    others go on from their checkpoints.

    Args:
      config: what all members share; ``config.parallel`` says over which devices they are spread.
      axes: what varies, such as ``[Axis(("model.alpha",), (0.01, 0.1)), Axis(("seed",), (0, 1, 2))]``.
      workdir: folder of the sweep; made when missing.
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
    datasets = {
        key: data_package.load(settings)
        for key, settings in {_key(member.config.data): member.config.data for member in members}.items()
    }
    groups: dict[str, list[Member]] = {}  # members that one program can train
    for member in members:
        groups.setdefault(_key(without_hyperparameters(member.config)), []).append(member)
    for first, *_ in groups.values():
        check_members(first.config, datasets[_key(first.config.data)])
    ended: dict[str, Finished] = {}

    def end(member: Member, results: dict[str, Any] | None, problem: str | None = None) -> None:
        ended[member.name] = Finished(member, workdir / member.name, results, problem)
        write_tables(workdir, axes, [ended[m.name] for m in members if m.name in ended])
        if on_member is not None:
            on_member(ended[member.name])

    with hold(workdir), ExitStack() as folders:
        # Folders that are there come first, so that a refusal leaves no new ones.
        described = {key: describe(dataset) for key, dataset in datasets.items()}
        there = {member.name: (workdir / member.name / "config.json").exists() for member in members}
        for member in sorted(members, key=lambda member: not there[member.name]):
            claim(workdir / member.name, member.config, described[_key(member.config.data)])
            folders.enter_context(hold(workdir / member.name))
        for group in groups.values():
            waiting = []
            for member in group:
                if (path := workdir / member.name / "results.json").exists():
                    end(member, read_results(path))
                else:
                    waiting.append(member)
            if not waiting:
                continue
            dataset = datasets[_key(group[0].config.data)]
            outcomes = train_members(
                [member.config for member in waiting],
                dataset,
                [workdir / member.name for member in waiting],
                sharding=sharding,
                memory=memory,
                on_stage=on_stage,
                on_rows=on_rows,
            )
            for outcome in outcomes:
                member = waiting[outcome.number]
                if outcome.trained is None:
                    end(member, None, str(outcome.problem))
                    continue
                on_stage(f"evaluating {member.name}")
                end(member, finish(outcome.trained, member.config, dataset, workdir / member.name).results)
        finished = [ended[member.name] for member in members]
        figures = draw_pictures(workdir / "figures", axes, finished)
    return Sweep(workdir, finished, figures)


def _key(config: Any) -> str:
    return json.dumps(to_plain(config), sort_keys=True)


def summaries(members: Sequence[Finished]) -> list[Summary]:
    """Mean and standard deviation over seeds, in the order of the grid."""
    groups: dict[str, list[Finished]] = {}
    for finished in members:
        groups.setdefault(str(_without_seed(finished)), []).append(finished)
    rows = []
    for group in groups.values():
        measured = [numbers(finished) for finished in group if finished.results is not None]
        names = dict.fromkeys(name for results in measured for name in results)
        values = {name: [results[name] for results in measured if name in results] for name in names}
        with np.errstate(invalid="ignore"):  # of results that are infinite
            mean = {name: float(np.mean(each)) for name, each in values.items()}
            sd = {name: float(np.std(v, ddof=1)) if len(v) > 1 else math.nan for name, v in values.items()}
        rows.append(Summary(_without_seed(group[0]), len(measured), mean, sd))
    return rows


def _without_seed(finished: Finished) -> dict[str, Any]:
    return {name: value for name, value in finished.member.settings.items() if name != "seed"}


def numbers(finished: Finished) -> dict[str, float]:
    """The numeric results of a member."""
    results = (finished.results or {}).items()
    return {name: float(value) for name, value in results if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_tables(workdir: Path, axes: Sequence[Axis], members: Sequence[Finished]) -> None:
    """Write ``sweep.csv``, a row a member, and ``sweep.json``, with mean and deviation over seeds too."""
    fields = [field for axis in axes for field in axis.fields]
    names = dict.fromkeys(name for finished in members for name in numbers(finished))
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
                "member": m.member.name,
                "settings": m.member.settings,
                "problem": m.problem,
                "results": m.results,
            }
            for m in members
        ],
        "over_seeds": [
            {"settings": row.settings, "members": row.runs, "mean": row.mean, "sd": row.sd}
            for row in summaries(members)
        ],
    }


def table(axes: Sequence[Axis], members: Sequence[Finished]) -> str:
    """The main results as text, a line for each setting: mean and standard deviation over seeds."""
    rows = summaries(members)
    fields = [axis.fields[0] for axis in axes if axis.fields != ("seed",)]
    names = [name for name in _COLUMNS if any(name in row.mean for row in rows)]
    lines = [[*fields, "runs", *names]]
    for row in rows:
        cells = [_cell(row, name) for name in names]
        lines.append([*(str(row.settings[field]) for field in fields), str(row.runs), *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _cell(row: Summary, name: str) -> str:
    if name not in row.mean:
        return "-"
    spread = "" if math.isnan(row.sd[name]) else f" ± {row.sd[name]:.2g}"
    return f"{row.mean[name]:.4g}{spread}"


def draw_pictures(folder: Path, axes: Sequence[Axis], members: Sequence[Finished]) -> list[Path]:
    """Draw ``bound_against_FIELD.png`` for every varied number that has two values with results."""
    rows = [row for row in summaries(members) if row.runs]
    if not rows:
        return []
    bound, words = ("elbo", "true bound") if "elbo" in rows[0].mean else ("reconstruction", "log p(x|z)")
    figures: dict[str, Figure] = {}
    for field, *others in (axis.fields for axis in axes):
        if curves := curves_along(rows, [field, *others], bound):
            figures[f"bound_against_{field}"] = draw_curves(field, curves, words)
            on = field == "model.alpha" and curves_along(rows, [field, *others], bound, "active_per_image")
            if on:
                figures["bound_against_active"] = draw_curves("active_per_image", on, words)
    if figures:
        folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def curves_along(
    rows: Sequence[Summary], fields: Sequence[str], result: str, against: str | None = None
) -> list[Curve]:
    """A result along fields that have one value, a curve for each setting of the others.

    Empty where the values are no numbers, or where no curve has two. ``against`` is a result that is drawn
    along x in place of the value.
    """
    groups: dict[str, list[Summary]] = {}
    for row in rows:
        if not _is_number(row.settings.get(fields[0])):
            return []  # also where the axis is the seed, over which the rows are means
        if result in row.mean and (against is None or against in row.mean):
            others = {name: value for name, value in row.settings.items() if name not in fields}
            name = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in others.items())
            groups.setdefault(name or "members", []).append(row)
    if all(len(group) < 2 for group in groups.values()):
        return []
    return [
        Curve(
            name=name,
            x=np.array([row.mean[against] if against else row.settings[fields[0]] for row in group], float),
            mean=np.array([row.mean[result] for row in group]),
            sd=_spread(group, result),
            x_sd=None if against is None else _spread(group, against),
        )
        for name, group in groups.items()
    ]


def _spread(group: Sequence[Summary], result: str) -> np.ndarray | None:
    sd = np.array([row.sd[result] for row in group])
    return None if np.isnan(sd).all() else np.nan_to_num(sd)
