"""The seed report again: autoencoder, VAE and VSC with convolutional networks at 2 and at 32 latents."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vsc_jax.config import Config, load_preset, preset_names, smoke, to_dict, validate
from vsc_jax.config.errors import UserError
from vsc_jax.pages.page import Group
from vsc_jax.run import fit
from vsc_jax.run.reopen import run_config
from vsc_jax.training.run_folder import first_difference

ALPHA = {2: 0.5, 32: 0.25}
"""Sizes of the code at which the seed report compares its models, each with the rate of a VSC's latents: few
latents are no place for a sparse code."""

BATCH_SIZE = 256
STEPS = 25 * 60_000 // BATCH_SIZE
"""The seed report's budget, 25 epochs of MNIST."""


class Teller(Protocol):
    """What is told of a run at work, as by ``vsc_jax.cli.progress``."""

    def on_stage(self, stage: str) -> None:
        """A part of the work begins."""

    def on_row(self, row: dict[str, Any]) -> None:
        """A row of metrics is there."""


class Comparison(NamedTuple):
    """The runs of a comparison.

    Attributes:
      title: heading of its report.
      configs: the configuration of each run folder.
      groups: the run folders by number of latents.
    """

    title: str
    configs: dict[Path, Config]
    groups: list[Group]


def comparison(
    models: Sequence[str],
    prefix: str,
    workdir: Path,
    directory: Path | None = None,
    *,
    steps: int = STEPS,
    shrink: bool = False,
) -> Comparison:
    """The runs that compare some models, each at every number of latents.

    Args:
      models: what follows the prefix in the presets' names, such as ``vsc_wu``, or whole names.
      prefix: what the presets' names begin with, such as ``mnist``.
      workdir: the folder that holds the run folders.
      directory: folder with prepared TFDS sets.
      steps: iterations of every run.
      shrink: make every run end in seconds.

    Raises:
      UserError: if there is no such preset.
    """
    configs: dict[Path, Config] = {}
    groups = []
    for latents in ALPHA:
        folders = []
        for model in dict.fromkeys(model.strip() for model in models):
            name = model if model in preset_names() else f"{prefix}_{model}"
            config = _config(name, latents, steps, directory)
            config = smoke(config) if shrink else config
            folder = workdir / f"{config.name}_conv_{latents}{'_smoke' if shrink else ''}"
            configs[folder] = config
            folders.append(folder)
        groups.append(Group(f"{latents} latents", folders))
    names = ", ".join(models)
    return Comparison(
        f"{names} on {prefix}, side by side at {' and '.join(map(str, ALPHA))} latents", configs, groups
    )


def train_missing(
    compared: Comparison,
    *,
    on_run: Callable[[str], None],
    progress: Callable[[Config], AbstractContextManager[Teller]],
) -> None:
    """Train every run of the comparison that is not finished; a run that was stopped goes on.

    Args:
      compared: the runs.
      on_run: called with a line before each run that is trained.
      progress: makes what shows the progress of a run.

    Raises:
      UserError: if a folder holds another run, or the data are not at hand.
    """
    for folder, config in compared.configs.items():
        if (folder / "results.json").is_file() and _same(folder, config):
            continue
        on_run(f"training {folder}")
        with progress(config) as teller:
            fit(config, folder, on_row=teller.on_row, on_stage=teller.on_stage)


def _config(name: str, latents: int, steps: int, directory: Path | None) -> Config:
    if name not in preset_names():
        raise UserError(f"--compare: no preset {name!r}; presets are {', '.join(preset_names())}")
    config = load_preset(name)
    data = config.data if directory is None else dataclasses.replace(config.data, directory=directory)
    model = dataclasses.replace(config.model, network="conv", latents=latents)
    if model.kind == "vsc" and model.prior == "pseudo":
        model = dataclasses.replace(model, alpha=ALPHA[latents])
    train = dataclasses.replace(config.train, steps=steps, batch_size=BATCH_SIZE)
    config = dataclasses.replace(config, data=data, model=model, train=train)
    validate(config)
    return config


def _same(folder: Path, config: Config) -> bool:
    """Whether the folder's run is the one asked for; where its data lie does not matter."""
    there = run_config(folder)
    there = dataclasses.replace(there, data=dataclasses.replace(there.data, directory=config.data.directory))
    return first_difference(to_dict(there), to_dict(config)) is None
