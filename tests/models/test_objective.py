"""What every model is trained with."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.losses import gaussian_kl, spike_slab_kl
from vsc_jax.models import build
from vsc_jax.models.inputs import as_inputs, noisy_inputs
from vsc_jax.models.objective import bounded_log_var, noise_kl


def test_log_variances_are_cut_off_and_pass_gradients_on() -> None:
    log_var = jnp.array([-1e30, -89.0, -20.0, -3.3, 0.0, 10.0, 89.0, 1e30])
    np.testing.assert_array_equal(bounded_log_var(log_var), [-20, -20, -20, jnp.float32(-3.3), 0, 10, 10, 10])
    np.testing.assert_array_equal(jax.grad(lambda v: bounded_log_var(v).sum())(log_var), np.ones(8))


@pytest.mark.parametrize("kind", ["vae", "vsc"])
def test_the_bound_of_an_example_far_from_all_others_is_finite(kind) -> None:
    model = build(
        ModelConfig(kind=kind, latents=4, hidden=(8,), likelihood="gaussian"), (5,), jax.random.key(0)
    )
    x = jnp.linspace(-1, 1, 10).reshape(2, 5) * 1e4
    assert model.encode(x).log_var.min() == -20
    assert model.encode(x).log_var.max() == 10
    terms = model.terms(x, jax.random.key(1))
    assert np.isfinite(terms.reconstruction).all()
    assert np.isfinite(terms.kl).all()


# Noise that codes learn to stand

THRESHOLD = {"gate": "threshold", "prior": "fixed", "alpha": 0.2}


@pytest.mark.parametrize("settings", [{}, {"prior": "fixed"}, {"slab": "laplace"}, THRESHOLD, None])
def test_noise_adds_its_divergence_and_no_gradient_reaches_the_clean_code(
    settings, tiny, coefficients, examples
) -> None:
    """Written out: a quarter of six examples, rounded up, coded again from the same noise."""
    kind, key = "vae" if settings is None else "vsc", jax.random.key(3)
    plain, taught = (tiny(kind, noise=noise, **(settings or {})) for noise in (0.0, 0.5))
    loss, metrics = plain.objective(examples, jax.random.clone(key), coefficients)
    with_noise, more = taught.objective(examples, jax.random.clone(key), coefficients)
    noisy = noisy_inputs(as_inputs(examples, plain.decoder), plain.decoder, jax.random.fold_in(key, 1), 0.5)
    assert noisy.shape == (2, 4, 3)
    clean, seen = plain.encode(examples[:2]), plain.encode(noisy)
    kl = gaussian_kl(*clean, *seen) if kind == "vae" else spike_slab_kl(clean, seen)
    np.testing.assert_allclose(more.pop("noise_kl"), kl.sum(axis=-1).mean(), rtol=1e-4)
    np.testing.assert_allclose(with_noise - loss, 0.25 * 0.7 * kl.sum(axis=-1).mean(), rtol=1e-3)
    chex.assert_trees_all_close(more, metrics, rtol=1e-5)

    def distance(shift: jax.Array) -> jax.Array:
        moved = jax.tree.map(lambda field: field + shift, plain.encode(examples))
        return noise_kl((lambda q, p: gaussian_kl(*q, *p)) if kind == "vae" else spike_slab_kl, moved, seen)

    assert jax.grad(distance)(jnp.float32(0)) == 0


def test_noise_of_a_quarter_stays_among_the_values_and_is_relative_to_unbounded_ones(tiny) -> None:
    x = jnp.concatenate([jnp.zeros((500, 4, 3)), jnp.ones((300, 4, 3))])
    bounded = noisy_inputs(x, tiny("vsc").decoder, jax.random.key(0), 0.5)
    assert bounded.shape == (200, 4, 3)
    assert bounded.min() == 0 < bounded.max() <= 1
    assert float((bounded == 0).mean()) == pytest.approx(0.5, abs=0.05)  # the darker half is cut off
    wide = noisy_inputs(100 * x, tiny("vsc", likelihood="gaussian").decoder, jax.random.key(0), 0.5)
    deviations = np.asarray(wide).reshape(200, -1).std(axis=1) / np.std(100 * x)
    assert deviations.max() < 0.8
    assert deviations.mean() == pytest.approx(0.25, abs=0.03)
