"""What every model is trained with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.models import build
from vsc_jax.models.objective import bounded_log_var


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
