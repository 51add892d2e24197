"""Autoencoder, VAE and VSC side by side, with convolutional networks at 2 and at 32 latents."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vsc_jax.config import Config, TrainConfig, load_preset, preset_names, replaced, smoke, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.run import fit, open_run
from vsc_jax.training.run_folder import identity

ALPHA = {2: 0.5, 32: 0.25}  # by latents; few are no place for a sparse code
BATCH_SIZE = 256
STEPS = 25 * 60_000 // BATCH_SIZE  # 25 epochs of MNIST


def comparison(
    models: Sequence[str],
    prefix: str,
    workdir: Path,
    directory: Path | None = None,
    *,
    steps: int = STEPS,
    shrink: bool = False,
) -> dict[str, dict[Path, Config]]:
    """The runs that compare some models, by heading and run folder: each at every number of latents.

    ``models`` are what follows ``prefix`` in the presets' names, such as ``vsc_wu``, or whole names. Run
    folders are in ``workdir``, prepared TFDS sets in ``directory``; ``shrink`` makes runs end in seconds.

    Raises:
      UserError: if there is no such preset.
    """
    groups: dict[str, dict[Path, Config]] = {}
    for latents, alpha in ALPHA.items():
        for model in dict.fromkeys(model.strip() for model in models):
            name = model if model in preset_names() else f"{prefix}_{model}"
            if name not in preset_names():
                raise UserError(f"--compare: no preset {name!r}; presets are {', '.join(preset_names())}")
            config = load_preset(name)
            changes = {"model.network": "conv", "model.latents": latents, "train.batch_size": BATCH_SIZE}
            if config.model.kind == "vsc" and config.model.prior == "pseudo":
                changes["model.alpha"] = alpha
            if directory is not None:
                changes["data.directory"] = str(directory)
            config = with_overrides(config, {**changes, "train.steps": steps})
            config = smoke(config) if shrink else config
            folder = workdir / f"{config.name}_conv_{latents}{'_smoke' if shrink else ''}"
            groups.setdefault(f"{latents} latents", {})[folder] = config
    return groups


def train_missing(
    compared: Mapping[str, Mapping[Path, Config]],
    *,
    on_run: Callable[[str], None],
    progress: Callable[[TrainConfig], AbstractContextManager[Any]],
) -> None:
    """Train every run of the comparison that is not finished; a run that was stopped goes on.

    ``on_run`` gets a line before each run, ``progress`` makes what shows it (:mod:`vsc_jax.cli.progress`).

    Raises:
      UserError: if a folder holds another run, or the data are not at hand.
    """
    for folder, config in ((f, c) for group in compared.values() for f, c in group.items()):
        if (folder / "results.json").is_file():
            # Where its data lie does not matter.
            there, asked = (replaced(c, {"data.directory": None}) for c in (open_run(folder).config, config))
            if identity(there) == identity(asked):
                continue
        on_run(f"training {folder}")
        with progress(config.train) as bar:
            fit(config, folder, on_row=bar.on_row, on_stage=bar.on_stage)
