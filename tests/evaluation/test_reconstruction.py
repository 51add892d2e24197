"""Squared errors, explained variance and denoising."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.evaluation.encoding import map_batches, means
from vsc_jax.evaluation.reconstruction import (
    denoising,
    explained_variance,
    filling,
    squared_errors,
    total_variance,
)
from vsc_jax.models import VAE, Autoencoder


def test_predicting_the_mean_explains_nothing_and_the_truth_everything():
    x = np.random.default_rng(0).random((50, 3, 2), np.float32)
    from_mean = float(((x - x.mean(axis=0)) ** 2).mean(dtype=np.float64))
    assert explained_variance(from_mean, total_variance(x)) == pytest.approx(0, abs=1e-6)
    assert explained_variance(0.0, total_variance(x)) == 1
    # The grand mean is a worse guess than each pixel's own.
    assert explained_variance(float(((x - x.mean()) ** 2).mean()), total_variance(x)) < 0
    # Constant data have no variance to explain, and uint8 are read as fractions.
    assert explained_variance(0.0, 0.0) == 1
    assert explained_variance(0.1, 0.0) == 0
    assert total_variance(np.array([[0, 255], [255, 255]], np.uint8)) == pytest.approx(0.125)


@pytest.mark.parametrize("kind", ["ae", "vae", "vsc"])
def test_errors_are_those_of_reconstruct_and_of_a_sample(tiny, examples, kind):
    model = tiny(kind)
    errors = means(map_batches(squared_errors, model, examples, jax.random.key(0)))
    expected = float(np.mean((np.asarray(model.reconstruct(examples)) - examples) ** 2))
    assert errors["mse"] == pytest.approx(expected, rel=1e-5)
    assert ("mse_sample" in errors) == (kind != "ae")
    found = denoising(model, examples, jax.random.key(0), noise=(0.0, 0.4))
    explained = 1 - expected / total_variance(examples)
    assert found[0.0] == pytest.approx((expected, explained, 1), rel=1e-4)
    assert found[0.4][0] != found[0.0][0]


def test_noise_is_relative_to_unbounded_data_and_clipped_to_the_range_of_pixels(tiny, monkeypatch):
    """A model that copies its input returns the noise: its error is the noise's variance."""
    monkeypatch.setattr(Autoencoder, "reconstruct", lambda self, x: x)
    x = 100 * np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    mse, explained, _ = denoising(tiny("ae", likelihood="gaussian"), x, jax.random.key(0), noise=(0.3,))[0.3]
    assert mse / float(x.var()) == pytest.approx(0.09, rel=0.1)
    assert explained == pytest.approx(1 - 0.09, abs=0.01)
    mse, *_ = denoising(tiny("ae"), np.ones((500, 4), np.float32), jax.random.key(0), noise=(0.25,))[0.25]
    assert mse == pytest.approx(0.25**2 / 2, rel=0.1)  # only the darker half of the noise is seen


def test_the_support_under_noise_is_counted_by_hand(tiny, examples):
    """Latent 0 is on for all, latent 1 for clean examples alone, latent 2 for none: half of them stay."""
    model = tiny("vsc", latents=3)

    def code(x):
        clean = jnp.all(x == 0.5, axis=-1)
        on = [jnp.ones(len(x), bool), clean, jnp.zeros(len(x), bool)]
        return jnp.stack(on, axis=-1).astype(jnp.float32)

    model.code = code
    found = denoising(model, np.full_like(examples, 0.5), jax.random.key(0), noise=(0.0, 0.3))
    assert (found[0.0].same_support, found[0.3].same_support) == (1, 0.5)


def test_half_of_the_values_are_filled_in_and_only_these_count(tiny, monkeypatch):
    """Values .2 and .4: their mean explains nothing, each of the two leaves twice its error."""
    put_in = jnp.array([[[0.2, 0.3, 0.4]]])
    monkeypatch.setattr(VAE, "fill", lambda self, x: jnp.where(jnp.isnan(x), put_in, -5.0))
    x = np.tile(np.float32([0.2, 0.4]).reshape(2, 1, 1), (1000, 4, 3))
    gone = np.random.default_rng(0).random(x.shape) < 0.5
    assert filling(tiny("vae"), x, gone) == pytest.approx(1 - 5 / 3, abs=0.05)
