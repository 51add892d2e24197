"""``data.npz`` of a run folder: data given from Python, as much as it takes to look at the run again.

The test examples, and the training examples on which probes are fitted, with all that is known of them. Data
that a configuration names are read anew instead.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError
from vsc_jax.data.dataset import Dataset, Split
from vsc_jax.models import scaling

FILE = "data.npz"
LARGEST = 2**26
"""Bytes that the examples may take before they are compressed; larger ones are not kept."""

_FIELDS = ("x", "labels", "factors", "presence", "subjects")


def keep(folder: Path, dataset: Dataset, config: Config) -> None:
    """Write ``data.npz`` in one step, where it is not there yet and the examples are not too large."""
    train = dataset.train.sample(config.evaluate.probe_examples, config.data.seed)
    if (folder / FILE).exists() or train.x.nbytes + dataset.test.x.nbytes > LARGEST:
        return
    arrays: dict[str, Any] = {
        f"{part}_{field}": np.asarray(array)
        for part, split in (("train", train), ("test", dataset.test))
        for field in _FIELDS
        if (array := getattr(split, field)) is not None
    }
    temporary = folder / f"{FILE}.tmp.npz"
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, folder / FILE)


def read(folder: Path, described: dict[str, Any], config: Config) -> Dataset:
    """The data set of the examples that the run folder keeps.

    Args:
      folder: the run folder.
      described: its ``data.json``.
      config: the run's configuration.

    Raises:
      UserError: if none are kept, they are damaged, or not enough for ``evaluate.probe_examples``.
    """
    path = folder / FILE
    again = "give the data again from Python, with dataset="
    if not path.exists():
        raise UserError(
            f"{folder}: was trained on data given from Python ({described.get('name')}), and does not keep"
            f" them; {again}"
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            train, test = (
                Split(*(arrays.get(f"{part}_{field}") for field in _FIELDS)) for part in ("train", "test")
            )
        wanted = min(config.evaluate.probe_examples, described["train_examples"])
        dataset = Dataset(
            described["name"],
            train,
            test,
            tuple(described["label_names"]),
            tuple(described["factor_names"]),
            described["description"],
            tuple(described["channel_names"]),
            scaling.from_json(described["scaling"], tuple(described["example_shape"])),
        )
        fits = dataset.example_shape == test.x.shape[1:] == tuple(described["example_shape"])
    except Exception as error:  # zipfile, zlib and NumPy have errors of their own for damaged files
        raise UserError(f"{path}: damaged, or not of this run ({error}); {again}") from None
    if not fits:
        raise UserError(f"{path}: not of this run; {again}")
    if wanted > len(train):
        raise UserError(
            f"{path}: evaluate.probe_examples: the run keeps {len(train):,} training examples, {wanted:,} are"
            f" asked for; {again}"
        )
    return dataset
