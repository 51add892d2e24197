"""Every method of every model gives the same numbers as compiled, also with the model a constant.

At 256 examples and 16 components, where XLA multiplies wrongly by matrices of one number
(``docs/mathematics.md``, "A product with constants").
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import ModelConfig
from vsc_jax.models import VSC, build

SHAPE, ROWS = (4, 3), 256
X = np.random.default_rng(0).random((ROWS, *SHAPE), np.float32)

MODELS = {
    "vae": {"kind": "vae"},
    "fixed": {"kind": "vsc", "prior": "fixed"},
    "standard slabs": {"kind": "vsc", "prior_slabs": "standard"},
}


def every_method(model, x, coefficients):
    """What each public method gives for data ``x``."""
    keys = jax.random.split(jax.random.key(1), 6)
    given = {
        "encode": model.encode(x),
        "code": model.code(x),
        "decode": model.decode(model.code(x)),
        "reconstruct": model.reconstruct(x),
        "sample": model.sample(keys[0], 3),
        "objective": model.objective(x, keys[1], coefficients),
        "terms": model.terms(x, keys[2]),
        "log_importance_weights": model.log_importance_weights(x, keys[3], 2),
    }
    if isinstance(model, VSC):
        given["components"] = model.components()
        given["selection_terms"] = [
            model.selection_terms(x, how) for how in ("exact", "soft", "paper", "hard")
        ]
        given["sample_like"] = model.sample_like(x[:2], 2, keys[4])
    return given


@pytest.mark.parametrize(
    ("name", "likelihood"),
    [
        ("vae", "gaussian"),
        ("fixed", "gaussian"),
        ("standard slabs", "bernoulli"),  # all that pseudo-inputs do, and constant slabs
    ],
)
def test_a_constant_model_changes_nothing(name, likelihood, coefficients):
    config = ModelConfig(latents=60, hidden=(8,), pseudo_inputs=16, likelihood=likelihood, **MODELS[name])
    model = build(config, SHAPE, jax.random.key(0), examples=X)
    graph, params = nnx.split(model)
    x = jnp.asarray(X)
    expected = every_method(model, x, coefficients)
    as_argument = jax.jit(lambda params, x: every_method(nnx.merge(graph, params), x, coefficients))(
        params, x
    )
    as_constant = jax.jit(lambda x: every_method(model, x, coefficients))(x)
    for found in (as_argument, as_constant):
        for method, values in expected.items():
            for ours, theirs in zip(jax.tree.leaves(found[method]), jax.tree.leaves(values), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3, err_msg=method)


@pytest.mark.parametrize("name", ["fixed", "standard slabs"])
def test_a_constant_model_has_the_same_gradient(name):
    config = ModelConfig(latents=60, hidden=(8,), pseudo_inputs=16, **MODELS[name])
    model = build(config, SHAPE, jax.random.key(0), examples=X)

    def bound(x):
        terms = model.terms(x, jax.random.key(1))
        return jnp.sum(terms.reconstruction - terms.kl)

    x = jnp.asarray(X)
    np.testing.assert_allclose(jax.jit(jax.grad(bound))(x), jax.grad(bound)(x), rtol=1e-3, atol=1e-3)
