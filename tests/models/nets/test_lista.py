"""The unrolled search: what it is before training, and when its gates are open."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.models.nets import Lista


@pytest.fixture(scope="module")
def atoms():
    return 3 * jax.random.normal(jax.random.key(0), (7, 12), jnp.float32)


def test_it_starts_as_ten_steps_of_ista_on_the_atoms(atoms):
    x = jax.random.normal(jax.random.key(1), (5, 3, 4), jnp.float32)
    unit = np.asarray(atoms / jnp.linalg.norm(atoms, axis=1)[:, None], np.float64)
    step = 1 / np.linalg.norm(unit, ord=2) ** 2
    code = np.zeros((5, 7))
    for _ in range(11):
        value = code + step * (np.asarray(x).reshape(5, 12) - code @ unit) @ unit.T
        code = np.sign(value) * np.maximum(np.abs(value) - 0.1 * step, 0)
    mean, log_var, gate_logit = np.split(np.asarray(Lista(atoms)(x)), 3, axis=1)
    np.testing.assert_allclose(mean, value, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(log_var, -4)
    np.testing.assert_allclose(gate_logit, 5 * (np.abs(value) / (0.1 * step) - 2), rtol=1e-3, atol=1e-3)


def test_an_input_of_one_atom_opens_its_gate_alone():
    atoms = jnp.eye(6, dtype=jnp.float32)[:4]
    gates = Lista(atoms)(2 * atoms)[:, 8:] > 0
    np.testing.assert_array_equal(gates, np.eye(4, dtype=bool))


def test_atoms_of_nothing_and_thresholds_of_nothing_stay_finite():
    encoder = Lista(jnp.zeros((3, 2), jnp.float32))
    encoder.threshold[...] = jnp.zeros(3, jnp.float32)
    assert np.isfinite(encoder(jnp.ones((4, 2), jnp.float32))).all()
