"""How the test examples are presented to a model, and the words that say so in every result."""

from dataclasses import replace
from typing import Literal

import numpy as np

from vsc_jax.data.dataset import Dataset
from vsc_jax.data.examples import bernoulli_draw

Binarize = Literal["none", "static", "dynamic"]

_CHUNK = 4096  # examples looked at together


def presented(x: np.ndarray, binarize: Binarize, rng: np.random.Generator) -> np.ndarray:
    """Examples as the likelihood sees them: one Bernoulli draw where binarisation is dynamic.

    Args:
      x: examples as stored, ``[n, *example_shape]``.
      binarize: ``dynamic`` draws; otherwise x is used as it is (``static`` was drawn when it was loaded).
      rng: source of the draw; one of the seed alone shows every model the same binary images.
    """
    return bernoulli_draw(x, rng) if binarize == "dynamic" else x


def as_measured(dataset: Dataset, binarize: Binarize, seed: int) -> Dataset:
    """The data set with the test examples that results of a run of this seed are about."""
    x = presented(dataset.test.x, binarize, np.random.default_rng(seed))
    return replace(dataset, test=replace(dataset.test, x=x))


def in_words(dataset: Dataset, binarize: Binarize) -> str:
    """What the test numbers are measured on, such as ``mnist, 10,000 test examples, grey values``."""
    x = dataset.test.x
    if binarize == "dynamic":
        values = "binarised dynamically"
    elif dataset.scaling is not None:
        values = f"values {dataset.scaling} (likelihoods are theirs)"
    elif _is_binary(x):
        values = "binarised statically" if binarize == "static" else "binary values"
    elif x.ndim == 2 or dataset.form == "signal":
        values = "real values"
    else:
        values = "grey values" if x.shape[3:] in ((), (1,)) else "colour values"
    return f"{dataset.name}, {len(x):,} test examples, {values}"


def _is_binary(x: np.ndarray) -> bool:
    one = 255 if x.dtype == np.uint8 else 1
    chunks = (x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK))
    return all(bool(((chunk == 0) | (chunk == one)).all()) for chunk in chunks)
