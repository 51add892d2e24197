"""What ``data.json`` keeps of a data set: enough to know it again, and to rebuild a model without it."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from vsc_jax.data.dataset import Dataset
from vsc_jax.data.examples import LARGE, Examples, chunks
from vsc_jax.models import scaling

SAMPLED = 256
"""How many rows, spread evenly, stand for a split that is larger than ``LARGE`` or read row by row."""


def describe(dataset: Dataset) -> dict[str, Any]:
    """What ``data.json`` keeps of a data set."""
    return {
        "name": dataset.name,
        "example_shape": list(dataset.example_shape),
        "train_examples": len(dataset.train),
        "test_examples": len(dataset.test),
        "label_names": list(dataset.label_names),
        "factor_names": list(dataset.factor_names),
        "channel_names": list(dataset.channel_names),
        "description": dataset.description,
        "scaling": scaling.to_json(dataset.scaling),
        "digest": digest(dataset),
    }


def digest(dataset: Dataset) -> str:
    """BLAKE2 of the examples and the labels of both splits, as they are stored, in hexadecimal digits.

    Of a split that takes more than ``LARGE`` bytes, or is read row by row, the shape and ``SAMPLED`` rows.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for split in (dataset.train, dataset.test):
        hashed.update(f"{split.x.shape} {split.x.dtype} {split.labels is None}".encode())
        for part in (*_looked_at(split.x), *(() if split.labels is None else (split.labels,))):
            hashed.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def difference(there: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """In what two data sets differ, by what ``data.json`` says of them; None where they are the same.

    How they are described is no difference, nor is what one of them does not say, as an earlier version did
    not.
    """
    for name in asked:
        if name in there and name not in ("description", "digest") and there[name] != asked[name]:
            return f"{name}: {_short(there[name])} there, {_short(asked[name])} asked"
    if there.get("digest", asked.get("digest")) != asked.get("digest"):
        return "of the same shape, with other values"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _looked_at(x: Examples) -> Iterator[np.ndarray]:
    if isinstance(x, np.ndarray) and x.nbytes <= LARGE:
        yield from chunks(x)
    else:
        for row in np.linspace(0, len(x) - 1, min(len(x), SAMPLED)).astype(int):
            yield x[row]
