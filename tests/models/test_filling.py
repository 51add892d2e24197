"""What is missing is filled in with its mean given what is there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import vsc_jax
from vsc_jax.config import ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data.smiley import generate
from vsc_jax.models import build
from vsc_jax.models.objective import PACE


@pytest.mark.parametrize("kind", ["vae", "vsc"])
def test_with_a_linear_decoder_it_is_the_regression_on_what_is_there(kind):
    """The encoder knows nothing: all must come from the bound of the observed values."""
    atom, noise = np.array([0.9, -0.6, 0.8, 0.5, -0.7, 0.6]), 0.3
    fixed = {"prior": "fixed", "alpha": 0.999} if kind == "vsc" else {}
    linear = {"decoder": "linear", "likelihood": "gaussian", "inference": "encoder", "hidden": (4,), **fixed}
    model = build(ModelConfig(kind=kind, latents=1, **linear), (6,), jax.random.key(0))
    head = model.encoder.layers[-1]
    head.kernel[...] = jnp.zeros_like(head.kernel[...])
    head.bias[...] = jnp.array([0.0, -2.0, 9.0][: len(head.bias[...])])
    model.decoder.trunk.raw_atoms[...] = jnp.asarray(atom[None] / PACE, jnp.float32)
    model.decoder.start_at(jnp.full(6, 2 * np.log(noise), jnp.float32))
    z = np.array([0.8, -0.7, 0.2])[:, None]
    x = (z * atom + 0.05 * np.random.default_rng(0).normal(size=(3, 6))).astype(np.float32)
    gone, there = [1, 3, 4, 5], [0, 2]  # if what was put in counted, it would halve the code
    x[:, gone] = np.nan
    expected = x[:, there] @ atom[there] / (atom[there] @ atom[there] + noise**2)
    filled = np.asarray(model.fill(x))
    np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    np.testing.assert_allclose(filled[:, gone], expected[:, None] * atom[gone], atol=0.1)


def test_pixels_that_are_there_decide_and_what_they_do_not_decide_is_between():
    model, faces = vsc_jax.load("smiley_vsc"), generate(7, 208).images.astype(np.float32)
    x, others = faces[:8], faces[8:]
    half = np.random.default_rng(0).random(x.shape) < 0.5
    upper = np.broadcast_to(np.arange(32)[None, :, None] < 16, x.shape)  # mouth and tie do not tell of a hat
    filled = np.asarray(model.fill(np.where(np.stack([half, upper]), np.nan, x).reshape(-1, 32, 32)))
    for gone, found, best in zip((half, upper), filled.reshape(2, *x.shape), (0.2, 1.4), strict=True):
        share = np.square(found - x)[gone].mean() / np.square(others.mean(axis=0) - x)[gone].mean()
        assert share < best


def test_values_that_are_there_are_checked(tiny):
    x = np.full((2, 4, 3), 0.5, np.float32)
    x[0, 3, 0], x[1, 2, 1] = np.nan, 3.0
    with pytest.raises(UserError, match="x: expected values from 0 to 1, as in training, got 0 to 3"):
        tiny("vsc").fill(x)
    with pytest.raises(UserError, match="x: missing value in row 0, "):
        tiny("vsc").denoise(x[:1], 0.3)
