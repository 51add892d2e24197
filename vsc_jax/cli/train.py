"""Train a model: ``python -m vsc_jax.train [--config NAME] [--workdir DIR] [--section.field VALUE ...]``."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsc_jax.cli.command_line import Output, Preset, Settings, parse, refuse_unfit, run_command
from vsc_jax.config import Config, choices, load_preset, preset_names, smoke, with_overrides

if TYPE_CHECKING:
    from vsc_jax.data import Dataset

_NUMBERS = ("elbo", "iwae", "reconstruction", "kl", "active_per_image", "used_latents", "probe_accuracy")


@dataclass(frozen=True)
class TrainArguments(Output):
    """Options of ``python -m vsc_jax.train``."""

    settings: Settings
    config: Preset = "smiley_vsc"
    workdir: Path | None = None
    """Run folder; resumed if it holds this very run. Default: runs/NAME, with a suffix for settings
    that differ from the preset's."""
    smoke: bool = False
    """Shrink the run so that it ends in seconds."""
    track: choices.Tracker | None = None
    """Log the metrics to TensorBoard (RUN/tensorboard) or Weights & Biases too."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train, evaluate, draw; print where everything is."""
    arguments = parse(
        TrainArguments,
        "Train a model, measure it on the test set and draw its first figures. Without arguments: "
        "Variational Sparse Coding on Smiley, generated on the spot.",
        argv,
    )
    config = smoke(arguments.settings) if arguments.smoke else arguments.settings
    refuse_unfit([config], argv)

    from vsc_jax import data
    from vsc_jax.run import fit
    from vsc_jax.training import processes

    with processes.joined(config.parallel.distributed):
        dataset = data.load(config.data)
        if arguments.smoke and config.train.batch_size > len(dataset.train):
            config = with_overrides(config, {"train.batch_size": len(dataset.train)})
        if processes.is_first():
            _train(arguments, config, dataset)
        else:
            fit(config, dataset=dataset)


def _train(arguments: TrainArguments, config: Config, dataset: "Dataset") -> None:
    from vsc_jax.cli.progress import Progress
    from vsc_jax.contrib import tracking
    from vsc_jax.run import fit

    workdir = arguments.workdir or default_workdir(config)
    report = workdir / "report.html"
    arguments.print(f"{config.model.kind.upper()} on {dataset.name}: {dataset.description}")
    arguments.print("\n".join([*dataset.notes, f"run folder: {workdir}"]))
    with ExitStack() as opened:
        progress = opened.enter_context(Progress(config.train, quiet=arguments.quiet))
        tracker = None
        if arguments.track is not None:
            tracker = opened.enter_context(closing(tracking.Tracker(arguments.track, config, workdir)))

        def on_row(row: dict[str, Any]) -> None:
            progress.on_row(row)
            if tracker is not None:
                tracker.on_row(row)

        run = fit(config, workdir, dataset=dataset, on_row=on_row, on_stage=progress.on_stage)
        if tracker is not None:
            tracker.on_results(run.results)
        if config.evaluate.figures and not report.exists():
            from vsc_jax.pages import write_report

            write_report([run], dataset=dataset, every_figure=False, on_stage=progress.on_stage)
    numbers = "  ".join(f"{name} {run.results[name]:.4g}" for name in _NUMBERS if name in run.results)
    arguments.print(f"test set (nats per example): {numbers}")
    if "idle_latents" in run.results:
        idle = "{idle_latents:.0f} of {used_latents:.0f} used latents are idle".format(**run.results)
        others = f"{run.results['effective_active']:.3g} others are on in an example"
        arguments.print(f"{idle}, {others}; python -m vsc_jax.report {workdir} --latents shows each")
    findings = [str(finding) for finding in run.findings]
    for finding in findings:
        arguments.print(finding)
    if figures := sorted((workdir / "figures").glob("*.png")):
        arguments.print(f"figures: {workdir / 'figures'} ({', '.join(path.name for path in figures)})")
    if config.evaluate.figures:
        arguments.print(f"report: {report}")
    written = {"workdir": workdir, "figures": figures, "report": report if report.exists() else None}
    arguments.print_json({**written, "results": run.results, "findings": findings})


def default_workdir(config: Config) -> Path:
    """``runs/NAME``, with a short hash of the configuration where it is not the preset's own."""
    from vsc_jax.training.run_folder import identity

    values = identity(config)
    if config.name in preset_names() and identity(load_preset(config.name)) == values:
        return Path("runs") / config.name
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return Path("runs") / f"{config.name}-{digest[:8]}"


if __name__ == "__main__":
    run_command(main)
