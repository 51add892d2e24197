"""Report on runs: ``python -m vsc_jax.report RUN [RUN ...] [-o DIR]``, or ``--compare ae,vae,vsc,vsc_wu``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from vsc_jax.cli.command_line import Output, UsageError, conf, parse, run_command
from vsc_jax.config import Config, load_preset, preset_names, replaced, smoke, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path

ALPHA = {2: 0.5, 32: 0.25}  # of a comparison by latents; few are no place for a sparse code
BATCH_SIZE = 256  # of a comparison


@dataclass(frozen=True)
class ReportArguments(Output):
    """Options of ``python -m vsc_jax.report``."""

    runs: Annotated[tuple[Path, ...], conf.Positional, conf.arg(metavar="RUN")] = ()
    """Run folders, folders of saved models, or names of pretrained ones."""
    output: Annotated[Path | None, conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Folder for report.html, report.md and figures/. Default: a single run's own folder; else, and for a
    pretrained model, report."""
    compare: Annotated[str | None, conf.arg(metavar="MODEL,MODEL")] = None
    """Instead of RUN: train these models where they are missing, such as ae,vae,vsc,vsc_wu, with
    convolutional networks and 2 and 32 latents, and set them side by side. A whole name of a preset is taken
    as well, such as seed_vsc, the recipe that collapses."""
    config_prefix: str = "mnist"
    """With --compare: presets PREFIX_MODEL are compared, such as mnist, fashion or smiley."""
    workdir: Path = Path("runs")
    """With --compare: the folder that holds the run folders."""
    steps: int = 25 * 60_000 // BATCH_SIZE
    """With --compare: iterations of every run; 25 epochs of MNIST if not given."""
    smoke: bool = False
    """With --compare: shrink the runs so that each ends in seconds."""
    latents: bool = False
    """Also write latents.html, which shows every latent: when it is on, what that tells, what it changes, the
    examples in which it is strongest."""
    texts: Path | None = None
    """With --latents: a file of one line for each test example, shown with it; for embeddings of texts."""
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
    if arguments.texts is not None and not arguments.latents:
        raise UsageError("--texts: goes with --latents")

    from vsc_jax.cli.progress import show_stage
    from vsc_jax.pages import write_report

    texts = None
    if arguments.texts is not None:
        try:
            texts = arguments.texts.read_text("utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--texts: {arguments.texts}: expected a text file in UTF-8 ({error})") from None
    runs: Any = arguments.runs
    output, title = arguments.output, None
    if arguments.compare is not None:
        runs = _trained(arguments)
        sizes = " and ".join(map(str, ALPHA))
        models = ", ".join(arguments.compare.split(","))
        title = f"{models} on {arguments.config_prefix}, side by side at {sizes} latents"
        output = output or Path("report")
    written = write_report(
        runs,
        output,
        title=title,
        directory=arguments.directory,
        latents=arguments.latents,
        texts=texts,
        on_stage=None if arguments.quiet else show_stage,
    )
    show_stage("")
    for problem in written.problems:
        arguments.print(f"not shown: {problem}")
    for page in written.latents:
        arguments.print(f"written: {page}")
    arguments.print(f"written: {written.html} and {written.markdown}")
    paths = {"html": written.html, "markdown": written.markdown, "latents": written.latents}
    arguments.print_json({**paths, "not_shown": written.problems})
    if written.refused:
        raise UserError(f"the report is without {', '.join(map(str, written.refused))}; see above")


def _trained(arguments: ReportArguments) -> dict[str, list[Path]]:
    """The runs of a comparison by heading; those that are not finished are trained, or go on."""
    from vsc_jax.cli.progress import Progress
    from vsc_jax.run import fit, open_run
    from vsc_jax.training.run_folder import identity

    configs: dict[Path, Config] = {}
    groups: dict[str, list[Path]] = {}
    for latents, alpha in ALPHA.items():
        for model in dict.fromkeys(model.strip() for model in str(arguments.compare).split(",")):
            name = model if model in preset_names() else f"{arguments.config_prefix}_{model}"
            if name not in preset_names():
                raise UserError(f"--compare: no preset {name!r}; presets are {', '.join(preset_names())}")
            config = load_preset(name)
            changes = {"model.network": "conv", "model.latents": latents, "train.batch_size": BATCH_SIZE}
            changes |= {"train.steps": arguments.steps, "data.directory": arguments.directory}
            if config.model.mixture:
                changes["model.alpha"] = alpha
            config = with_overrides(config, changes)
            config = smoke(config) if arguments.smoke else config
            folder = arguments.workdir / f"{config.name}_conv_{latents}{'_smoke' if arguments.smoke else ''}"
            configs[folder] = config
            groups.setdefault(f"{latents} latents", []).append(folder)

    def done(folder: Path, config: Config) -> bool:
        if not (folder / "results.json").is_file():
            return False
        # Where its data lie does not matter.
        there, asked = (replaced(c, {"data.directory": None}) for c in (open_run(folder).config, config))
        return identity(there) == identity(asked)

    due = [folder for folder, config in configs.items() if not done(folder, config)]
    if due:
        models = f"{len(due)} of {len(configs)} convolutional models"
        each = f"{configs[due[0]].train.steps:,} iterations each"
        arguments.print(f"to train: {models}, {each}: {', '.join(map(str, due))}")
    began = time.monotonic()
    for number, folder in enumerate(due, 1):
        arguments.print(f"training {folder} ({number} of {len(due)}{_left(began, number - 1, len(due))})")
        config = configs[folder]
        with Progress(config.train) as bar:
            fit(config, folder, on_row=bar.on_row, on_stage=bar.on_stage)
    return groups


def _left(began: float, done: int, count: int) -> str:
    """How long the other models will take, as the first ones did; nothing before the first is done."""
    if not done:
        return ""
    minutes = (time.monotonic() - began) / done * (count - done) / 60
    return f"; about {max(1, round(minutes))} min left"


def report(
    runs: str | Path | Sequence[str | Path],
    dataset: Any = None,
    *,
    output: str | Path | None = None,
    latents: bool = False,
    texts: Sequence[str] | None = None,
) -> Path:
    """Write the report of a run or a saved model, or of several side by side; the page, ``report.html``.

    ``dataset`` is what :func:`vsc_jax.fit` was given from Python, if the run folders do not keep it;
    ``output`` the folder to write to, by default a single run's folder, or ``report``. With ``latents`` there
    is a page of every latent beside it, ``latents.html``, with ``texts`` for the test examples.

    Raises:
      UserError: if no folder is a run, or the report cannot be written.
    """
    from vsc_jax.pages import write_report

    folders = [as_path(run, "runs") for run in ([runs] if isinstance(runs, str | Path) else runs)]
    into = None if output is None else as_path(output, "output")
    return write_report(folders, into, dataset=dataset, latents=latents, texts=texts).html


if __name__ == "__main__":
    run_command(main)
