"""Laplace slabs and soft thresholds: one bound with the Gaussian slabs, and what does not go with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import Config, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.models import refined

FAMILIES = {
    "laplace": {"slab": "laplace"},
    "laplace, fixed prior": {"slab": "laplace", "prior": "fixed"},
    "threshold": {"gate": "threshold", "prior": "fixed", "alpha": 0.6},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_is_the_mean_log_weight_and_refinement_raises_it(family, tiny, examples):
    model = tiny("vsc", **FAMILIES[family])
    graph, params = nnx.split(model)

    @jax.jit
    def measure(params):
        model, (one, other) = nnx.merge(graph, params), jax.random.split(jax.random.key(0))
        weights = model.log_importance_weights(examples, one, 2000)
        terms = model.terms(jnp.repeat(examples, 2000, axis=0), other)
        better = weights
        if model.classifier is None:
            better = refined(model, 15).log_importance_weights(examples, jax.random.clone(one), 2000)
        bound = (terms.reconstruction - terms.kl).reshape(6, -1)
        drawn, alike = model.sample(jax.random.key(1), 3), model.sample_like(examples, 3, jax.random.key(2))
        return weights, bound, better, drawn, alike

    weights, bound, better, drawn, alike = (np.asarray(found, np.float64) for found in measure(params))
    assert np.isfinite(drawn).all()
    assert np.std(alike, axis=1).max() > 0
    error = np.hypot(weights.std(axis=0), bound.std(axis=1)) / np.sqrt(2000)
    gap = weights.mean(axis=0) - bound.mean(axis=1)
    # Of a mixture the bound takes the best weights of its components, and log p(z) the exact ones.
    assert np.all(gap > -4 * error)
    assert np.all(gap < 4 * error + (0 if "prior" in FAMILIES[family] else 0.5))
    if "prior" in FAMILIES[family]:
        assert better.mean() > weights.mean() + 0.1


ASCENT = {"decoder": "linear", "likelihood": "gaussian", "prior": "fixed", "inference": "ascent"}


@pytest.mark.parametrize(("settings", "message"), [
    ({"gate": "threshold", "prior": "pseudo"}, "model.gate: threshold needs model.prior fixed, got pseudo"),
    ({"gate": "threshold", "prior": "fixed", "slab": "laplace"},
     "model.gate: threshold needs model.slab gaussian, got laplace"),
    (ASCENT | {"gate": "threshold"}, "model.gate: threshold needs model.inference encoder, got ascent"),
    (ASCENT | {"slab": "laplace"}, "model.inference: ascent needs model.slab gaussian, got laplace"),
    ({"slab": "cauchy"}, "model.slab: expected one of gaussian, laplace, got"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        with_overrides(Config(), {f"model.{name}": value for name, value in settings.items()})


def test_thresholds_have_no_gates_to_warm_up():
    warm = {"model.gate": "threshold", "model.prior": "fixed", "schedule.warm_up.start": 0.0}
    with pytest.raises(UserError, match="threshold has no gates to warm up; leave schedule.warm_up at 1"):
        with_overrides(Config(), warm)
