"""A run found again: its configuration and its data, seen to be those that it was trained with."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from vsc_jax import data
from vsc_jax.config import Config, from_json
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset, identity
from vsc_jax.data.loading import can_load
from vsc_jax.training.run_folder import read_json


def run_config(folder: Path) -> Config:
    """The configuration of a run folder, or of the folder of a saved model.

    Raises:
      UserError: if the folder is neither, or its ``config.json`` is damaged or of a newer version.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a run folder or a saved model")
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder}: neither a run folder nor a saved model (no config.json)")
    try:
        return from_json(path)
    except UserError as error:
        if "unknown key" in str(error):
            raise UserError(f"{error}; was the run made by a newer version of vsc_jax?") from None
        raise


def run_dataset(folder: Path, config: Config, directory: Path | None = None, dataset: Any = None) -> Dataset:
    """The data set of a run.

    Args:
      folder: the run folder.
      config: its configuration, perhaps with other settings of the evaluation or another ``data.binarize``.
      directory: folder with prepared TFDS sets, if not the one that the run used.
      dataset: the data once more, where they were given to :func:`vsc_jax.fit` from Python; without them what
        the run folder keeps is used.

    Raises:
      UserError: if the data are not at hand, or are not those that ``data.json`` describes.
    """
    described = read_json(folder / "data.json")
    own = run_config(folder).data.binarize
    settings = config.data if directory is None else replace(config.data, directory=directory)
    if settings.path is not None and os.path.exists(described.get("path", "")):
        settings = replace(settings, path=Path(described["path"]))
    if dataset is None and not can_load(settings):
        if "static" in {own, settings.binarize} and own != settings.binarize:
            raise UserError(f"data.binarize: the data that {folder} keeps are {own}, got {settings.binarize}")
        return identity.load_examples(folder, described, config)
    loaded = data.load(replace(settings, binarize=own), dataset)
    data.check_range(loaded, config.model.likelihood)
    if difference := identity.difference(described, identity.describe(loaded)):
        which = "its config.json names" if dataset is None else "are given"
        hint = "; those that were given from Python go in with dataset=" if dataset is None else ""
        raise UserError(f"{folder}: the run was trained on other data than {which} now ({difference}){hint}")
    return loaded if settings.binarize == own else data.load(settings, dataset)
