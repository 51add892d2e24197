"""Coordinate ascent: its fixed points, its bound against all gate patterns, and what it explains away."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vsc_jax import losses
from vsc_jax.models import inference
from vsc_jax.spike_slab import SpikeSlab

coordinate_ascent = jax.jit(inference.coordinate_ascent)


def prior(latents, rate=0.2, mean=0.3, var=1.5):
    shape = (latents,)
    logit = np.log(rate / (1 - rate))
    return SpikeSlab(*(jnp.full(shape, value, jnp.float32) for value in (mean, np.log(var), logit)))


def drawn(seed, n, latents, features):
    rng = np.random.default_rng(seed)
    x = 2 * rng.normal(size=(n, features)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(rng.normal(size=(latents, features)), jnp.float32)


@jax.jit
def bound(x, atoms, noise, prior, q):
    """The bound of each example, by the moments of q."""
    code = q.gamma * q.mean
    variance = q.gamma * (jnp.exp(q.log_var) + q.mean**2) - code**2
    error = jnp.sum((x - code @ atoms) ** 2, axis=1) + variance @ jnp.sum(atoms**2, axis=1)
    rows = SpikeSlab(*(field[None] for field in prior))
    kl = jnp.sum(losses.spike_slab_kl(q, rows), axis=1)
    return -0.5 * error / noise - 0.5 * x.shape[1] * jnp.log(2 * jnp.pi * noise) - kl


@pytest.mark.parametrize(("latents", "features"), [(5, 8), (16, 4), (37, 20)])
def test_no_field_of_any_latent_can_be_better(latents, features):
    x, atoms = drawn(0, 6, latents, features)
    noise, p = jnp.float32(0.7), prior(latents)
    q = coordinate_ascent(x, atoms, noise, p, 200)

    def total(fields):
        return jnp.sum(bound(x, atoms, noise, p, SpikeSlab(*fields)))

    for gradient in jax.jit(jax.grad(total))(tuple(q)):
        np.testing.assert_allclose(gradient, 0, atol=5e-3)


def test_what_is_not_observed_counts_as_if_it_were_not_there():
    x, atoms = drawn(0, 6, 9, 7)
    known = np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]], bool)
    masks = np.repeat(known, 2, axis=0)
    noise, p = jnp.float32(0.7), prior(9)
    q = coordinate_ascent(jnp.where(masks, x, 5.0), atoms, noise, p, 10, jnp.asarray(masks))
    for row, mask in enumerate(masks):
        alone = coordinate_ascent(x[row : row + 1, mask], atoms[:, mask], noise, p, 10)
        for field, expected in zip(q, alone, strict=True):
            np.testing.assert_allclose(field[row : row + 1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_orthogonal_atoms_give_the_exact_posterior(noise):
    rows, features = 4, 3
    x, _ = drawn(1, rows, features, features)
    scales = jnp.array([0.5, 1.0, 2.0], jnp.float32)
    p = prior(features)
    q = coordinate_ascent(x, jnp.diag(scales), jnp.float32(noise), p, 3)
    log_evidence = np.zeros(rows)
    for pattern in itertools.product((0, 1), repeat=features):
        on, s = np.array(pattern), np.asarray(scales, np.float64)
        density = scipy.stats.norm.logpdf(x, on * s * 0.3, np.sqrt(noise + on * s**2 * 1.5)).sum(axis=1)
        chance = np.prod(np.where(on, 0.2, 0.8))
        log_evidence = np.logaddexp(log_evidence if any(pattern) else -np.inf, density + np.log(chance))
    np.testing.assert_allclose(bound(x, jnp.diag(scales), noise, p, q), log_evidence, rtol=2e-4)


def test_one_atom_explains_away_one_that_is_like_it():
    atoms = jnp.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]], jnp.float32)
    q = coordinate_ascent(2 * atoms[1:2], atoms, jnp.float32(0.01), prior(3, mean=0.0), 20)
    assert np.asarray(q.gate_logit[0] > 0).tolist() == [False, True, False]
    np.testing.assert_allclose(q.mean[0, 1], 2, atol=0.05)


def test_supports_of_an_overcomplete_dictionary_are_found():
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(100, 47)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.where(rng.random((200, 100)).argsort(axis=1) < 10, rng.uniform(size=(200, 100)), 0)
    p = prior(100, rate=0.1, mean=0.5, var=1 / 12)
    q = coordinate_ascent(
        jnp.asarray(codes @ atoms, jnp.float32), jnp.asarray(atoms), jnp.float32(0.02**2), p, 20
    )
    assert np.mean(np.asarray(q.gate_logit > 0) == (codes > 0)) > 0.985
    assert np.corrcoef(np.where(q.gate_logit > 0, q.mean, 0).ravel(), codes.ravel())[0, 1] > 0.99


def test_examples_do_not_depend_on_each_other():
    x, atoms = drawn(2, 5, 20, 10)
    together = coordinate_ascent(x, atoms, jnp.float32(0.5), prior(20), 10)
    alone = coordinate_ascent(x[3:4], atoms, jnp.float32(0.5), prior(20), 10)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[3:4], b, rtol=1e-4, atol=1e-4)
