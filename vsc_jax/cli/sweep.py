"""Train a grid of runs: ``python -m vsc_jax.sweep --config NAME --grid FIELD=VALUE,VALUE --seeds N ...``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vsc_jax.cli.command_line import (
    Output,
    Preset,
    Settings,
    UsageError,
    conf,
    parse,
    refuse_unfit,
    run_command,
)
from vsc_jax.config import FIELDS, TRACED, smoke
from vsc_jax.config.errors import UserError

# A schedule has many fields, all of them traced.
_TRACED = ["schedule.*", *(n for n, f in FIELDS.items() if TRACED in f.marks and "schedule." not in n)]
Grid = Annotated[
    tuple[str, ...],
    conf.UseAppendAction,
    conf.arg(
        metavar="FIELD=VALUE,...",
        help="A setting and its values, such as model.alpha=0.01,0.1,0.5; give it several times for all "
        "combinations. model.beta=model.sparsity_weight=1,2 moves both; an x joins layers of model.hidden: "
        f"400,800x400. Members that differ in {', '.join(_TRACED)} alone share one compiled program; any "
        "other setting makes groups that are trained one after the other.",
    ),
]
"""The option ``--grid``."""


@dataclass(frozen=True)
class SweepArguments(Output):
    """Options of ``python -m vsc_jax.sweep``."""

    settings: Settings
    config: Preset = "smiley_vsc"
    grid: Grid = ()
    seeds: int | None = None
    """Train every combination with so many seeds, from --seed on."""
    workdir: Path | None = None
    """Folder of the sweep: a run folder for each member, sweep.csv, sweep.json, figures. Finished members are
    kept, others go on. Default: runs/sweep-NAME-HASH, the hash of what members share."""
    memory: float | None = None
    """GiB that members trained at once may take on each device; the compiler says how many that are. Default:
    most of what is free on the device, or in the machine where there is only a CPU."""
    smoke: bool = False
    """Shrink the runs so that each ends in seconds."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train the grid, print the table, say where everything is."""
    arguments = parse(
        SweepArguments,
        "Train every combination of some settings and seeds, as many at once as fit memory, by one compiled "
        "program; measure each on the test set and set them side by side.",
        argv,
    )
    config = smoke(arguments.settings) if arguments.smoke else arguments.settings

    from vsc_jax.run.grid import axes_of, default_workdir, expand

    try:
        axes = axes_of(config, arguments.grid, arguments.seeds)
        members = expand(config, axes)
        if arguments.memory is not None and not arguments.memory > 0:
            raise UserError(f"--memory: expected a number of GiB above 0, got {arguments.memory}")
    except UserError as error:
        raise UsageError(str(error)) from None
    refuse_unfit([member.config for member in members], argv)

    from vsc_jax.cli.progress import Progress, show_stage
    from vsc_jax.run.sweep import Member, as_json, sweep, table

    workdir = arguments.workdir or default_workdir(config, axes)
    arguments.print(f"{len(members)} members of {config.name}; folder: {workdir}")

    def on_member(finished: Member) -> None:
        if finished.problem is not None:
            show_stage("")
            arguments.print(f"{finished.name}: {finished.problem}")

    with Progress(config.train, quiet=arguments.quiet, sweep=True) as progress:
        done = sweep(
            config,
            axes,
            workdir,
            memory=None if arguments.memory is None else int(arguments.memory * 2**30),
            on_stage=progress.on_stage,
            on_rows=progress.on_rows,
            on_member=on_member,
        )
    arguments.print("test set (nats per example), mean ± standard deviation over seeds:")
    arguments.print(table(axes, done.members))
    arguments.print(f"tables: {workdir / 'sweep.csv'} and {workdir / 'sweep.json'}")
    if done.figures:
        arguments.print(f"figures: {workdir / 'figures'} ({', '.join(file.name for file in done.figures)})")
    arguments.print_json({"workdir": workdir, "figures": done.figures, **as_json(axes, done.members)})
    if failed := sum(finished.problem is not None for finished in done.members):
        raise UserError(f"{failed} of {len(members)} members have no results; {workdir / 'sweep.csv'}")


if __name__ == "__main__":
    run_command(main)
