"""What a run folder holds of its data: ``data.json``, to know them again, and ``data.npz``.

``data.npz`` is there for data that were given from Python: the test examples, and the training examples on
which probes are fitted, with all that is known of them. Data that a configuration names are read anew.
"""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import Config
from vsc_jax.config.errors import UserError, within
from vsc_jax.config.fields import first_difference
from vsc_jax.data.dataset import Dataset, Split
from vsc_jax.data.examples import LARGE, chunks
from vsc_jax.data.files import readable
from vsc_jax.models import scaling

SAMPLED = 256  # rows, spread evenly, that stand for a split which is larger than LARGE or read row by row
LARGEST = 2**26  # bytes of examples, before they are compressed, that are put into data.npz
_FIELDS = [field.name for field in dataclasses.fields(Split)]


def describe(dataset: Dataset) -> dict[str, Any]:
    """The content of ``data.json``: enough to know a data set again, and to rebuild a model without it."""
    lists = ("example_shape", "label_names", "factor_names", "channel_names", "column_names")
    return {
        "name": dataset.name,
        **{name: list(getattr(dataset, name)) for name in lists},
        "train_examples": len(dataset.train),
        "test_examples": len(dataset.test),
        "description": dataset.description,
        "scaling": scaling.to_json(dataset.scaling),
        "digest": digest(dataset),
    }


def digest(dataset: Dataset) -> str:
    """BLAKE2 of the examples and the labels of both splits, as they are stored, in hexadecimal digits.

    Of a split that takes more than ``LARGE`` bytes, or is read row by row, the shape and ``SAMPLED`` rows.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for x, labels in ((split.x, split.labels) for split in (dataset.train, dataset.test)):
        hashed.update(f"{x.shape} {x.dtype} {labels is None}".encode())
        if isinstance(x, np.ndarray) and x.nbytes <= LARGE:
            parts = chunks(x)
        else:
            parts = (x[row] for row in np.linspace(0, len(x) - 1, min(len(x), SAMPLED)).astype(int))
        for part in (*parts, *(() if labels is None else (labels,))):
            hashed.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def difference(there: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """In what two data sets differ, by what ``data.json`` says of them, also in earlier versions."""
    there = {**there, "scaling": scaling.renamed(there.get("scaling"))}
    said = [name for name in asked if name in there and name not in ("description", "digest", "column_names")]
    if found := first_difference(there, {name: asked[name] for name in said}):
        return found
    same = there.get("digest", asked.get("digest")) == asked.get("digest")
    return None if same else "of the same shape, with other values"


def save_examples(folder: Path, dataset: Dataset, config: Config) -> None:
    """Write ``data.npz`` in one step, where it is not there yet and the examples are not too large."""
    path, train = folder / "data.npz", dataset.train.sample(config.evaluate.probe_examples, config.data.seed)
    if path.exists() or train.x.nbytes + dataset.test.x.nbytes > LARGEST:
        return
    arrays: dict[str, Any] = {
        f"{part}_{field}": np.asarray(array)
        for part, split in (("train", train), ("test", dataset.test))
        for field in _FIELDS
        if (array := getattr(split, field)) is not None
    }
    temporary = folder / f"{path.name}.tmp.npz"
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, path)


def load_examples(folder: Path, described: dict[str, Any], config: Config) -> Dataset:
    """The data set in a run folder's ``data.npz``, with what its ``data.json`` says of it."""
    path, again = folder / "data.npz", "give the data again from Python, with dataset="
    if not path.exists():
        given = f"was trained on data given from Python ({described.get('name')})"
        raise UserError(f"{folder}: {given}, and does not keep them; {again}")
    with within(path), readable(f"damaged, or not of this run ({{}}); {again}"):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            train, test = (
                Split(*(arrays.get(f"{part}_{field}") for field in _FIELDS)) for part in ("train", "test")
            )
        shape = tuple(described["example_shape"])
        wanted = min(config.evaluate.probe_examples, described["train_examples"])
        names = {key: tuple(described[key]) for key in ("label_names", "factor_names", "channel_names")}
        names["column_names"] = tuple(described.get("column_names", ()))  # which older runs do not have
        constants = scaling.from_json(described["scaling"], shape)
        dataset = Dataset(
            described["name"], train, test, description=described["description"], scaling=constants, **names
        )
        fits = dataset.example_shape == test.x.shape[1:] == shape
    if not fits:
        raise UserError(f"{path}: not of this run; {again}")
    if wanted > len(train):
        sizes = f"the run keeps {len(train):,} training examples, {wanted:,} are asked for"
        raise UserError(f"{path}: evaluate.probe_examples: {sizes}; {again}")
    return dataset
