"""Measure a trained model again: ``python -m vsc_jax.evaluate RUN [--refine K] [--all] ...``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsc_jax.cli.command_line import Output, RunFolder, parse, run_command
from vsc_jax.config import Config, with_overrides
from vsc_jax.config.choices import Binarize
from vsc_jax.config.errors import UserError


@dataclass(frozen=True)
class EvaluateArguments(Output):
    """Options of ``python -m vsc_jax.evaluate``."""

    run: RunFolder
    samples: int | None = None
    """Importance samples K of iwae; if not given, as in the run's config.json, like the next two."""
    examples: int | None = None
    """Use only so many test examples for iwae, drawn by data.seed."""
    probe_examples: int | None = None
    """Labelled training examples on which the probes are fitted."""
    refine: int = 0
    """Measure a VSC whose posteriors are improved by so many steps on each example's own bound; the results
    are kept only with --output."""
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
    from vsc_jax.cli.progress import show_stage
    from vsc_jax.data.files import writing
    from vsc_jax.evaluation.diagnosis import diagnose
    from vsc_jax.evaluation.glossary import table
    from vsc_jax.run import PRETRAINED, open_run
    from vsc_jax.training.checkpoints import Checkpoints
    from vsc_jax.training.run_folder import write_json

    stored = open_run(arguments.run, "run")
    fields = ["evaluate.samples", "evaluate.examples", "evaluate.probe_examples", "data.binarize"]
    given = {field: getattr(arguments, field.partition(".")[2]) for field in [*fields, "data.directory"]}
    config = with_overrides(
        stored.config, {name: value for name, value in given.items() if value is not None}
    )
    output = arguments.output
    if output is not None and not output.resolve().parent.is_dir():
        raise UserError(f"--output: no folder {output.resolve().parent}")
    on_stage = None if arguments.quiet else show_stage
    results = _measured(stored, config, None, arguments.refine, everything=arguments.all, on_stage=on_stage)
    show_stage("")
    findings = [str(finding) for finding in diagnose(results, config)]
    arguments.print("\n".join([table(results), "", *findings]))
    reason = None
    if output is None:  # results.json must be about the run as it is, and of its end
        if config.data.binarize != stored.config.data.binarize:
            reason = f"the run's own results are not about data.binarize {config.data.binarize}"
        elif arguments.refine:
            reason = "the run's own results are about posteriors as they are"
        elif stored.folder.parent == PRETRAINED:
            reason = "a pretrained model stays as it is"
        elif (checkpoints := stored.folder / "checkpoints").is_dir():
            with Checkpoints(checkpoints) as opened:
                step = opened.latest_step()
            if step is not None and step < config.train.iterations:
                reason = f"training is at iteration {step:,} of {config.train.iterations:,}"
    if reason:
        arguments.print(f"not written: {reason}; --output FILE keeps these results")
    else:
        output = output or stored.folder / "results.json"
        with writing(output):
            write_json(output, results)
        arguments.print(f"written: {output}")
    arguments.print_json({"written": output, "results": results, "findings": findings})


def evaluate(
    run: str | Path,
    dataset: Any = None,
    *,
    everything: bool = False,
    on_stage: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """What ``results.json`` holds of a run or a saved model, measured again: likelihoods in nats per example.

    ``dataset`` is what :func:`vsc_jax.fit` was given from Python, if the run folder does not keep it.
    ``everything`` measures what takes minutes, too; ``on_stage`` gets a few words before each part of it.

    Raises:
      UserError: if the folder is no run, or the data are not those that it was trained on.
    """
    from vsc_jax.run import open_run

    stored = open_run(run, "run")
    return _measured(stored, stored.config, dataset, everything=everything, on_stage=on_stage)


def _measured(stored: Any, config: Config, dataset: Any, refine: int = 0, **options: Any) -> dict[str, Any]:
    from vsc_jax import evaluation
    from vsc_jax.models import refined
    from vsc_jax.training.run_folder import read_rows

    model = refined(stored.model(), refine) if refine else stored.model()
    data, history = stored.dataset(dataset, config=config), read_rows(stored.folder / "metrics.jsonl")
    return evaluation.evaluate(model, data, config, history=history, **options)


if __name__ == "__main__":
    run_command(main)
