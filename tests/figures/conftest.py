"""Small untrained models and data sets: what is drawn is checked, not what is learned."""

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.models import build


def make_dataset(kind):
    """A data set of 60 training and 40 test examples: digits, vectors, signals or faces."""
    rng = np.random.default_rng(0)

    def split(n, seed):
        if kind == "faces":
            faces = smiley.generate(seed, n)
            return Split(faces.images * np.uint8(255), factors=faces.factors, presence=faces.presence)
        if kind == "vectors":
            return Split(rng.normal(3, 2, (n, 12)).astype(np.float32))
        if kind == "signals":
            return Split(rng.normal(3, 2, (n, 16, 5)).astype(np.float32))
        images = (rng.random((n, 8, 8)) * 255).astype(np.uint8)
        return Split(images, labels=(np.arange(n) % 3).astype(np.int32))

    names = {"digits": ("zero", "one", "two")}.get(kind, ())
    factors = smiley.FACTORS if kind == "faces" else ()
    channels = tuple("abcde") if kind == "signals" else ()
    return Dataset(
        kind, split(60, 0), split(40, 1), label_names=names, factor_names=factors, channel_names=channels
    )


@pytest.fixture(scope="session")
def make_model():
    """Builds an untrained model of a data set, with six latents."""

    def make(dataset, kind, **options):
        likelihood = "gaussian" if dataset.name in ("vectors", "signals") else "bernoulli"
        sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4, "initial_gate_logit": 0.0}
        config = ModelConfig(kind=kind, likelihood=likelihood, **{**sizes, **options})
        return build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)

    return make


@pytest.fixture(scope="session")
def digits():
    return make_dataset("digits")


@pytest.fixture(scope="session")
def faces():
    return make_dataset("faces")


@pytest.fixture(scope="session")
def vectors():
    return make_dataset("vectors")


@pytest.fixture(scope="session")
def signals():
    return make_dataset("signals")
