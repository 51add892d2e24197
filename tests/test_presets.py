"""Every preset suits its data, can be traced at full size and trains."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from vsc_jax import data
from vsc_jax.config import load_preset, preset_names, validate
from vsc_jax.models import build
from vsc_jax.training import check, hyperparameters, initial_state, train, train_step


@pytest.fixture(scope="module")
def dataset(request):
    """Loads a few examples of a preset's data; real sets are looked for in the test data."""

    def load(config):
        section = dataclasses.replace(config.data, train_examples=64, test_examples=32)
        if section.name == "uci_har":
            path = request.getfixturevalue("test_data") / "uci_har" / "uci_har.zip"
            section = dataclasses.replace(section, path=path)
        elif section.name != "smiley":
            folder = request.getfixturevalue("test_data") / "tfds"
            section = dataclasses.replace(section, directory=folder)
        return data.load(section)

    return load


@pytest.mark.parametrize("name", preset_names())
def test_full_size_can_be_built_and_traced(name):
    config = load_preset(name)
    validate(config)
    assert config.name == name
    shape = {"smiley": (32, 32), "uci_har": (561,)}.get(config.data.name, (28, 28))

    def one_step(key, x):
        model_key, step_key = jax.random.split(key)
        graph, params = nnx.split(build(config.model, shape, model_key))
        return train_step(graph, hyperparameters(config), initial_state(params), x, step_key)

    batch = jax.ShapeDtypeStruct((config.train.batch_size, *shape), jnp.float32)
    state, metrics = jax.eval_shape(one_step, jax.eval_shape(partial(jax.random.key, 0)), batch)
    assert all(metric.shape == () for metric in metrics.values())
    weights = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params))
    assert weights > 100_000


@pytest.mark.parametrize("name", preset_names())
def test_one_step_on_its_own_data(name, dataset):
    config = load_preset(name)
    # Narrow networks, so that presets of the same kind and size share a compiled program.
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, latents=3, hidden=(8,), pseudo_inputs=4, alpha=0.1),
        train=dataclasses.replace(config.train, steps=1, batch_size=16, log_every=1),
    )
    loaded = dataset(config)
    check(config, loaded)
    # A model's program is the same on other data: all are trained on Smiley, and one on every other set.
    if config.data.name != "smiley" and not name.endswith("_vsc"):
        return
    [row] = train(config, loaded).history
    assert math.isfinite(row["loss"])
    assert row["reconstruction"] < 0
