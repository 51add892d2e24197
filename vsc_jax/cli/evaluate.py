"""Measure a trained model again: ``python -m vsc_jax.evaluate RUN [--samples K] [--all] ...``."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from vsc_jax.cli.command_line import Told, parse, run_command
from vsc_jax.config import Config, validate
from vsc_jax.config.choices import Binarize
from vsc_jax.config.errors import UserError

if TYPE_CHECKING:
    from vsc_jax.run import StoredRun


@dataclass(frozen=True)
class EvaluateArguments(Told):
    """Options of ``python -m vsc_jax.evaluate``."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder, or folder of a saved model."""
    samples: int | None = None
    """Importance samples K of iwae; if not given, as in the run's config.json, like the next two."""
    examples: int | None = None
    """Use only so many test examples for iwae, drawn by data.seed."""
    probe_examples: int | None = None
    """Labelled training examples on which the probes are fitted."""
    all: bool = False
    """Also measure what takes minutes: more probes, denoising, disentanglement metrics."""
    binarize: Binarize | None = None
    """Present the data in another way than the run did; the results are kept only with --output."""
    directory: Path | None = None
    """Folder with prepared TFDS sets, if not the one that the run used."""
    output: Path | None = None
    """Write the results to this file and not to RUN/results.json."""


def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, measure it on its test set, print a table, write the results."""
    arguments = parse(
        EvaluateArguments,
        "Measure a trained model on its test set: bounds in nats, sparsity, probes. Prints a table and "
        "writes results.json.",
        argv,
    )
    from vsc_jax.run import open_run

    stored = open_run(arguments.run, "run")
    folder, config = stored.folder, _config(arguments, stored.config)
    output = arguments.output
    if output is not None and not output.resolve().parent.is_dir():
        raise UserError(f"--output: no folder {output.resolve().parent}")

    from vsc_jax.cli.progress import show_stage
    from vsc_jax.evaluation.glossary import table

    on_stage = None if arguments.quiet else show_stage
    results = _measure(stored, config, None, everything=arguments.all, on_stage=on_stage)
    show_stage("")
    arguments.say(table(results))
    arguments.say()
    if output is None and (reason := _reason_to_keep_none(stored, config)):
        arguments.say(f"not written: {reason}; --output FILE keeps these results")
    else:
        output = output or folder / "results.json"
        _write(output, results)
        arguments.say(f"written: {output}")
    arguments.tell({"written": output, "results": results})


def evaluate(
    run: str | Path,
    dataset: Any = None,
    *,
    everything: bool = False,
    on_stage: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure a run or a saved model on its test set, and write nothing.

    Args:
      run: its folder.
      dataset: the data that were given to :func:`vsc_jax.fit`, where they were given from Python and the run
        folder does not keep them.
      everything: also what takes minutes.
      on_stage: called with a few words before each part of the work.

    Returns:
      What ``results.json`` holds; likelihoods in nats an example.

    Raises:
      UserError: if the folder is no run, or the data are not those that it was trained on.
    """
    from vsc_jax.run import open_run

    stored = open_run(run, "run")
    return _measure(stored, stored.config, dataset, everything=everything, on_stage=on_stage)


def _measure(stored: "StoredRun", config: Config, dataset: Any, **options: Any) -> dict[str, Any]:
    from vsc_jax import evaluation

    return evaluation.evaluate(stored.model(), stored.dataset(dataset, config=config), config, **options)


def _config(arguments: EvaluateArguments, config: Config) -> Config:
    """The configuration with what the command line gives in its place."""
    fields = {"evaluate": ("samples", "examples", "probe_examples"), "data": ("binarize", "directory")}
    for section, names in fields.items():
        given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
        changed = dataclasses.replace(getattr(config, section), **given)
        config = dataclasses.replace(config, **{section: changed})
    validate(config)
    return config


def _reason_to_keep_none(stored: "StoredRun", config: Config) -> str | None:
    """Why ``results.json`` must not be replaced by these results."""
    from vsc_jax.training.checkpoints import Checkpoints

    if config.data.binarize != stored.config.data.binarize:
        return f"the run's own results are not about data.binarize {config.data.binarize}"
    checkpoints = stored.folder / "checkpoints"
    if not checkpoints.is_dir():
        return None
    with Checkpoints(checkpoints) as kept:
        step = kept.latest_step()
    if step is not None and step < config.train.steps:
        return f"training is at iteration {step:,} of {config.train.steps:,}"
    return None


def _write(path: Path, results: dict[str, Any]) -> None:
    from vsc_jax.training.run_folder import write_json

    try:
        write_json(path, results)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    run_command(main)
