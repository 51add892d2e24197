"""With 64-bit types switched on, models are what they are without: float32, trained, saved and loaded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import vsc_jax
from vsc_jax.config import ModelConfig, load_preset, smoke, with_overrides
from vsc_jax.estimator import VariationalSparseCoding
from vsc_jax.models import build

X = np.random.default_rng(0).random((120, 8, 8)).astype(np.float32)


def config(**overrides):
    small = {
        "data.train_examples": None,
        "data.test_examples": None,
        "evaluate.figures": False,
        "train.steps": 4,
    }
    return with_overrides(smoke(load_preset("smiley_vsc")), {**small, "model.latents": 4, **overrides})


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("kind", ["ae", "vae", "vsc"])
@pytest.mark.parametrize(("network", "shape"), [("mlp", (5,)), ("conv", (8, 8)), ("conv1d", (8, 2))])
def test_parameters_are_float32(x64, kind, network, shape, likelihood):
    settings = ModelConfig(
        kind=kind, network=network, likelihood=likelihood, latents=3, hidden=(4,), pseudo_inputs=2
    )
    params = nnx.eval_shape(lambda: nnx.state(build(settings, shape, jax.random.key(0))))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


def test_runs_and_saved_models_are_the_same(tmp_path):
    settings = config(**{"model.likelihood": "gaussian"})
    run = vsc_jax.fit(settings, tmp_path / "run", dataset=X)
    vsc_jax.save(run, tmp_path / "saved")
    with jax.enable_x64(True):
        for folder in ("run", "saved"):
            model = vsc_jax.load(tmp_path / folder)
            np.testing.assert_allclose(model.encode(X).mean, run.model.encode(X).mean, rtol=1e-5, atol=1e-6)
            assert model.sample(jax.random.key(0), 2).dtype == jnp.float32
        again = vsc_jax.fit(settings, dataset=X)
    assert again.results["elbo"] == pytest.approx(run.results["elbo"], rel=1e-4)
    assert again.results["iwae"] == pytest.approx(run.results["iwae"], rel=1e-4)


def test_a_coder_fits(x64):
    rows = np.random.default_rng(1).normal(size=(60, 5))
    coder = VariationalSparseCoding(3, hidden=(4,), steps=3, batch_size=16, random_state=0).fit(rows)
    assert np.isfinite(coder.score(rows))
