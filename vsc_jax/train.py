"""Train a model: ``python -m vsc_jax.train [--config NAME] [--workdir DIR] [--section.field VALUE ...]``."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vsc_jax.command_line import Preset, Settings, parse, run_command
from vsc_jax.config import Config, load_preset, preset_names, smoke, validate, with_overrides

_SHOWN = ("elbo", "iwae", "reconstruction", "kl", "active_per_image", "used_latents", "probe_accuracy")


@dataclass(frozen=True)
class TrainArguments:
    """Options of ``python -m vsc_jax.train``."""

    settings: Settings
    config: Preset = "smiley_vsc"
    workdir: Path | None = None
    """Run folder; resumed if it holds this very run. Default: runs/NAME, with a suffix for settings
    that differ from the preset's."""
    smoke: bool = False
    """Shrink the run so that it ends in seconds."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train, evaluate, draw; print where everything is."""
    arguments = parse(
        TrainArguments,
        "Train a model, measure it on the test set and draw its first figures. Without arguments: "
        "Variational Sparse Coding on Smiley, generated on the spot.",
        argv,
    )
    config = smoke(arguments.settings) if arguments.smoke else arguments.settings
    validate(config)

    from vsc_jax import data
    from vsc_jax.progress import progress
    from vsc_jax.run import fit

    dataset = data.load(config.data)
    if arguments.smoke and config.train.batch_size > len(dataset.train):
        config = with_overrides(config, {"train.batch_size": len(dataset.train)})
    workdir = arguments.workdir or default_workdir(config)
    print(f"{config.model.kind.upper()} on {dataset.name}: {dataset.description}")
    print(f"run folder: {workdir}", flush=True)
    report = workdir / "report.html"
    with progress(config) as shown:
        run = fit(config, workdir, dataset=dataset, on_row=shown.on_row, on_stage=shown.on_stage)
        if config.evaluate.figures and not report.exists():
            from vsc_jax.reporting import write_report

            write_report([workdir], every_figure=False, on_stage=shown.on_stage)
    numbers = "  ".join(f"{name} {run.results[name]:.4g}" for name in _SHOWN if name in run.results)
    print(f"test set (nats an example): {numbers}")
    figures = sorted(path.name for path in (workdir / "figures").glob("*.png"))
    if figures:
        print(f"figures: {workdir / 'figures'} ({', '.join(figures)})")
    if config.evaluate.figures:
        print(f"report: {report}")


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
