"""The members of a grid, trained group by group, evaluated, and set side by side."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from vsc_jax import data as data_room
from vsc_jax.config import Config
from vsc_jax.config.json_dataclass import to_plain
from vsc_jax.config.paths import as_path
from vsc_jax.data import Dataset
from vsc_jax.data.identity import describe
from vsc_jax.run import finish
from vsc_jax.run.sweep.grid import Axis, Member, expand
from vsc_jax.run.sweep.pictures import draw_pictures
from vsc_jax.run.sweep.table import Finished, write_tables
from vsc_jax.training.loop import check_members, train_members
from vsc_jax.training.run_folder import Row, claim, hold, read_results
from vsc_jax.training.schedules import without_hyperparameters
from vsc_jax.training.sharding import members_sharding
from vsc_jax.training.step import Method


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


def sweep(
    config: Config,
    axes: Sequence[Axis],
    workdir: str | Path,
    *,
    memory: int | None = None,
    method: Method = "auto",
    on_stage: Callable[[str], None] = lambda stage: None,
    on_rows: Callable[[list[Row]], object] | None = None,
    on_member: Callable[[Finished], None] | None = None,
) -> Sweep:
    """Train every combination of the axes' values and write what came out of it.

    Members that differ in their seeds and in traced hyperparameters alone are trained by one compiled
    program, in waves that fit memory. Each has the run folder of a solo run. What is there already is
    kept: finished members are read, others go on from their checkpoints.

    Args:
      config: what all members share; ``config.parallel`` says over which devices they are spread.
      axes: what varies, such as ``[Axis(("model.alpha",), (0.01, 0.1)), Axis(("seed",), (0, 1, 2))]``.
      workdir: folder of the sweep; made when missing.
      memory: bytes that a wave may take on each device; most of what is free if not given.
      method: see :func:`vsc_jax.training.step.run_members`.
      on_stage: called with a few words before each part of the work.
      on_rows: called at every log point with the rows of the wave's members.
      on_member: called with each member when its results are there, or when it has failed.

    Raises:
      UserError: if a value, the data or a folder cannot be used; nothing has been overwritten.
      Stopped: on SIGINT or SIGTERM while training, after a checkpoint of every member of the wave.
    """
    members, workdir = expand(config, axes), as_path(workdir, "workdir")
    sharding = members_sharding(config.parallel)
    groups, datasets = _groups(members), _datasets(members)
    for group in groups:
        check_members(group[0].config, datasets[_key(group[0].config.data)])
    ended: dict[str, Finished] = {}

    def end(member: Member, results: dict[str, Any] | None, problem: str | None) -> None:
        ended[member.name] = Finished(member, workdir / member.name, results, problem)
        write_tables(workdir, axes, [ended[m.name] for m in members if m.name in ended])
        if on_member is not None:
            on_member(ended[member.name])

    with hold(workdir), ExitStack() as folders:
        # Those that are there are looked at first, so that a refusal leaves no new ones.
        described = {key: describe(dataset) for key, dataset in datasets.items()}
        there = {member.name: (workdir / member.name / "config.json").exists() for member in members}
        for member in sorted(members, key=lambda member: not there[member.name]):
            claim(workdir / member.name, member.config, described[_key(member.config.data)])
            folders.enter_context(hold(workdir / member.name))
        for group in groups:
            waiting = [member for member in group if not (workdir / member.name / "results.json").exists()]
            for member in group:
                if member not in waiting:
                    end(member, read_results(workdir / member.name / "results.json"), None)
            if not waiting:
                continue
            dataset = datasets[_key(group[0].config.data)]
            outcomes = train_members(
                [member.config for member in waiting],
                dataset,
                [workdir / member.name for member in waiting],
                sharding=sharding,
                memory=memory,
                method=method,
                on_stage=on_stage,
                on_rows=on_rows,
            )
            for outcome in outcomes:
                member = waiting[outcome.number]
                if outcome.trained is None:
                    end(member, None, str(outcome.problem))
                    continue
                on_stage(f"evaluating {member.name}")
                run = finish(outcome.trained, member.config, dataset, workdir / member.name)
                end(member, run.results, None)
        everything = [ended[member.name] for member in members]
        figures = draw_pictures(workdir / "figures", axes, everything)
    return Sweep(workdir, everything, figures)


def _datasets(members: Sequence[Member]) -> dict[str, Dataset]:
    """The data of all members by their settings."""
    configs = {_key(member.config.data): member.config.data for member in members}
    return {key: data_room.load(config) for key, config in configs.items()}


def _groups(members: Sequence[Member]) -> list[list[Member]]:
    """Members that one program can train, together."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(_key(without_hyperparameters(member.config)), []).append(member)
    return list(groups.values())


def _key(config: Any) -> str:
    return json.dumps(to_plain(config), sort_keys=True)
