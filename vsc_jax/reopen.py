"""A run found again: its configuration and its data, seen to be those that it was trained with."""

import dataclasses
from pathlib import Path

from vsc_jax import data
from vsc_jax.config import Config, from_json
from vsc_jax.data import Dataset
from vsc_jax.errors import UserError
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


def run_dataset(folder: Path, config: Config, directory: Path | None = None) -> Dataset:
    """The data set of a run.

    Args:
      folder: the run folder.
      config: its configuration.
      directory: folder with prepared TFDS sets, if not the one that the run used.

    Raises:
      UserError: if the data are not at hand, or are not those that ``data.json`` describes.
    """
    settings = config.data if directory is None else dataclasses.replace(config.data, directory=directory)
    described = read_json(folder / "data.json")
    dataset = data.load(settings)
    data.check_range(dataset, config.model.likelihood)
    for field, here in (("name", dataset.name), ("example_shape", list(dataset.example_shape))):
        there = described.get(field, here)
        if there != here:
            raise UserError(
                f"{folder / 'data.json'}: the run was trained on {field} {there}, but the data that its"
                f" config.json names have {here}"
            )
    return dataset
