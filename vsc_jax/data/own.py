"""Your own data in whatever form they come: arrays, frames, files, a folder of images."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data.arrays import Scale, from_arrays, load_file
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.examples import LazyArray
from vsc_jax.data.pictures import Fit, load_folder
from vsc_jax.data.tables import Table, from_frame, holds_parquet, is_frame, read_table
from vsc_jax.data.text_tables import is_text_table


def load_path(path: Path, config: DataConfig) -> Dataset:
    """The data set in a file of arrays, a table, or a folder of images or of ``.parquet`` files.

    Args:
      path: the file or the folder.
      config: the data section: held-out share and seed, label, header and separator, scaling, form of the
        images.

    Raises:
      UserError: naming the file and what in it cannot be used.
    """
    path = path.expanduser()
    is_table = holds_parquet(path) if path.is_dir() else path.suffix.lower() == ".parquet"
    if is_table or is_text_table(path):
        table = read_table(path, config.label, config.header, config.separator)
        return _of_table(table, path.name, config)
    if path.is_dir():
        fit = Fit(config.crop, config.resize, config.colour)
        return load_folder(path, fit, test_fraction=config.test_fraction, seed=config.seed)
    dataset = load_file(path, test_fraction=config.test_fraction, seed=config.seed, scaling=_scale(config))
    return _without_label(dataset, config)


def as_dataset(data: Any, config: DataConfig) -> Dataset:
    """Data in memory as a data set.

    Args:
      data: a :class:`Dataset`, which is returned as it is; a pandas or polars frame or an Arrow table
        (``config.label`` names the column of classes); an array, a sparse matrix or anything that NumPy makes
        an array of; a tuple of examples, which may be a frame, and labels; a mapping with x and, optionally,
        y, x_test, y_test; or a path.
      config: the data section: held-out share and seed, label, scaling.

    Raises:
      UserError: naming the array or the column and, where there is one, the row.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        return load_path(Path(data), config)
    if isinstance(data, Mapping):
        if unknown := sorted(set(data) - {"x", "y", "x_test", "y_test"}):
            raise UserError(f"unknown array {', '.join(map(str, unknown))}; expected x, y, x_test, y_test")
        arrays = dict(data)
    elif isinstance(data, tuple):
        if len(data) != 2:
            raise UserError(f"expected a tuple of examples and labels, got {len(data)} entries")
        arrays = dict(zip(("x", "y"), data, strict=True))
    elif not isinstance(data, np.ndarray | list | LazyArray) and is_frame(data):
        return _of_table(from_frame(data, config.label), "frame", config)
    else:
        arrays = {"x": data}
    notes: dict[str, None] = {}  # in order, each once
    for name in ("x", "x_test"):
        if is_frame(arrays.get(name)):
            table = from_frame(arrays[name])
            arrays[name] = table.x
            notes |= dict.fromkeys(table.notes)
    dataset = from_arrays(
        **arrays,
        scaling=_scale(config),
        test_fraction=config.test_fraction,
        seed=config.seed,
        notes=tuple(notes),
    )
    return _without_label(dataset, config)


def _without_label(dataset: Dataset, config: DataConfig) -> Dataset:
    if config.label is None:
        return dataset
    note = f"data.label {config.label} is not used: the data are arrays, with labels y or none"
    return replace(dataset, notes=(*dataset.notes, note))


def _of_table(table: Table, name: str, config: DataConfig) -> Dataset:
    return from_arrays(
        table.x,
        table.labels,
        name=name,
        label_names=table.label_names,
        scaling=_scale(config),
        test_fraction=config.test_fraction,
        seed=config.seed,
        notes=table.notes,
    )


def _scale(config: DataConfig) -> Scale:
    """The scaling that is asked for; that of ``auto`` is decided when the form of the data is known."""
    return "none" if config.scaling == "auto" else config.scaling
