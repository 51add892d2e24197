"""Report on runs: ``python -m vsc_jax.report RUN [RUN ...] [-o DIR]``, or ``--compare ae,vae,vsc,vsc_wu``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from vsc_jax.cli.command_line import Output, UsageError, conf, parse, run_command
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path


@dataclass(frozen=True)
class ReportArguments(Output):
    """Options of ``python -m vsc_jax.report``."""

    runs: Annotated[tuple[Path, ...], conf.Positional, conf.arg(metavar="RUN")] = ()
    """Run folders, or folders of saved models."""
    output: Annotated[Path | None, conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Folder for report.html, report.md and figures/. Default: a single run's own folder; else report."""
    compare: Annotated[str | None, conf.arg(metavar="MODEL,MODEL")] = None
    """Instead of RUN: train these models where they are missing, such as ae,vae,vsc,vsc_wu, with
    convolutional networks and 2 and 32 latents, and set them side by side. A whole name of a preset is taken
    as well, such as seed_vsc, the recipe that collapses."""
    config_prefix: str = "mnist"
    """With --compare: presets PREFIX_MODEL are compared, such as mnist, fashion or smiley."""
    workdir: Path = Path("runs")
    """With --compare: the folder that holds the run folders."""
    steps: int | None = None
    """With --compare: iterations of every run, in place of 25 epochs of MNIST (5,859 of 256)."""
    smoke: bool = False
    """With --compare: shrink the runs so that each ends in seconds."""
    directory: Path | None = None
    """Folder with prepared TFDS sets, if not the one that the runs used."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and say where it is, and what could not be shown."""
    arguments = parse(
        ReportArguments,
        "Write a report about one run or several side by side: what was run, results, figures with what "
        "they show, settings. One page that needs no network, and the same as Markdown.",
        argv,
    )
    if bool(arguments.runs) == (arguments.compare is not None):
        raise UsageError("expected either RUN [RUN ...] or --compare MODEL,MODEL")

    from vsc_jax.cli.progress import Progress, show_stage
    from vsc_jax.pages import write_report
    from vsc_jax.pages.comparison import ALPHA, STEPS, comparison, train_missing

    on_stage = None if arguments.quiet else show_stage
    runs: Any = arguments.runs
    output, title, prefix = arguments.output, None, arguments.config_prefix
    if arguments.compare is not None:
        models = arguments.compare.split(",")
        runs = comparison(
            models,
            prefix,
            arguments.workdir,
            arguments.directory,
            steps=STEPS if arguments.steps is None else arguments.steps,
            shrink=arguments.smoke,
        )
        train_missing(runs, on_run=arguments.print, progress=Progress)
        title = f"{', '.join(models)} on {prefix}, side by side at {' and '.join(map(str, ALPHA))} latents"
        output = output or Path("report")
    written = write_report(runs, output, title=title, directory=arguments.directory, on_stage=on_stage)
    show_stage("")
    for problem in written.problems:
        arguments.print(f"not shown: {problem}")
    arguments.print(f"written: {written.html} and {written.markdown}")
    arguments.print_json({"html": written.html, "markdown": written.markdown, "not_shown": written.problems})
    if written.refused:
        raise UserError(f"the report is without {', '.join(map(str, written.refused))}; see above")


def report(
    runs: str | Path | Sequence[str | Path], dataset: Any = None, *, output: str | Path | None = None
) -> Path:
    """Write the report of a run or a saved model, or of several side by side; the page, ``report.html``.

    ``dataset`` is what :func:`vsc_jax.fit` was given from Python, if the run folders do not keep it;
    ``output`` the folder to write to, by default a single run's folder, or ``report``.

    Raises:
      UserError: if no folder is a run, or the report cannot be written.
    """
    from vsc_jax.pages import write_report

    folders = [as_path(run, "runs") for run in ([runs] if isinstance(runs, str | Path) else runs)]
    into = None if output is None else as_path(output, "output")
    return write_report(folders, into, dataset=dataset).html


if __name__ == "__main__":
    run_command(main)
