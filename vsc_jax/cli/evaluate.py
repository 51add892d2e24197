"""Measure a trained model again: ``python -m vsc_jax.evaluate RUN [--samples K] [--all] ...``."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vsc_jax.cli.command_line import Told, parse, run_command
from vsc_jax.config import Config, from_json, validate
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path


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
    binarize: Literal["none", "static", "dynamic"] | None = None
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
    folder = arguments.run
    config = _config(arguments)
    output = arguments.output
    if output is not None and not output.resolve().parent.is_dir():
        raise UserError(f"--output: no folder {output.resolve().parent}")

    from vsc_jax.cli.progress import tell
    from vsc_jax.evaluation.meanings import table

    on_stage = None if arguments.quiet else tell
    results = _measure(folder, config, None, everything=arguments.all, on_stage=on_stage)
    tell("")
    arguments.say(table(results))
    arguments.say()
    if output is None and (reason := _reason_to_keep_none(arguments, config)):
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
    from vsc_jax.run.reopen import run_config

    folder = as_path(run, "run")
    return _measure(folder, run_config(folder), dataset, everything=everything, on_stage=on_stage)


def _measure(folder: Path, config: Config, dataset: Any, **options: Any) -> dict[str, Any]:
    from vsc_jax import evaluation
    from vsc_jax.run import load
    from vsc_jax.run.reopen import run_dataset

    model = load(folder)
    return evaluation.evaluate(model, run_dataset(folder, config, dataset=dataset), config, **options)


def _config(arguments: EvaluateArguments) -> Config:
    path = arguments.run / "config.json"
    if not path.is_file():
        raise UserError(f"{arguments.run}: neither a run folder nor a saved model (no config.json)")
    config = from_json(path)
    fields = ("samples", "examples", "probe_examples")
    given = {name: value for name in fields if (value := getattr(arguments, name)) is not None}
    presentation: dict[str, Any] = {
        name: value for name in ("binarize", "directory") if (value := getattr(arguments, name)) is not None
    }
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **presentation),
        evaluate=dataclasses.replace(config.evaluate, **given),
    )
    validate(config)
    return config


def _reason_to_keep_none(arguments: EvaluateArguments, config: Config) -> str | None:
    """Why ``results.json`` must not be replaced by these results."""
    from vsc_jax.training.checkpoints import Checkpoints

    if arguments.binarize not in (None, from_json(arguments.run / "config.json").data.binarize):
        return f"the run's own results are not about data.binarize {arguments.binarize}"
    checkpoints = arguments.run / "checkpoints"
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
