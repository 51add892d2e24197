"""Every loss gives the same numbers op by op, compiled, and compiled with all but one argument a constant.

XLA's compiler for CPUs multiplies wrongly by matrices that are one number throughout, as those of a standard
prior are, from some 4,096 results on (``docs/mathematics.md``, "A product with constants").
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax import losses
from vsc_jax.spike_slab import SpikeSlab, blend_gates, log_prob, log_prob_matrix, sample, warm_up

ROWS, COMPONENTS, LATENTS = 256, 16, 60


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def spike_slab(seed, rows):
    return SpikeSlab(*normal(seed, 3, rows, LATENTS))


PRIORS = {
    "general": spike_slab(1, COMPONENTS),
    "standard slabs": SpikeSlab(*jnp.zeros((2, COMPONENTS, LATENTS)), normal(2, COMPONENTS, LATENTS)),
    "fixed": SpikeSlab(*jnp.zeros((2, COMPONENTS, LATENTS)), jnp.full((COMPONENTS, LATENTS), -2.0)),
    "narrow slabs": SpikeSlab(
        jnp.ones((COMPONENTS, LATENTS)), jnp.full((COMPONENTS, LATENTS), -2.0), normal(3, COMPONENTS, LATENTS)
    ),
}
Q = spike_slab(4, ROWS)
Z = sample(Q, jax.random.key(0))
KL = jnp.square(normal(5, ROWS, COMPONENTS))
PAIR = normal(6, 2, ROWS, LATENTS)
ONES, ZEROS = jnp.ones((ROWS, LATENTS)), jnp.zeros((ROWS, LATENTS))
ONE_PRIOR = SpikeSlab(ZEROS[:1], ZEROS[:1], ZEROS[:1] - 2)

# The function, the data, and what may be a constant beside them.
CASES = {
    "gaussian_kl": (losses.gaussian_kl, PAIR[0], (PAIR[1], ZEROS, ZEROS)),
    "bernoulli_kl": (losses.bernoulli_kl, PAIR[0], (ZEROS,)),
    "spike_slab_kl": (losses.spike_slab_kl, Q, (ONE_PRIOR,)),
    "sparsity_kl": (lambda g, a: losses.sparsity_kl(g, a, LATENTS), Q.gamma, (jnp.float32(0.1),)),
    "usage_kl": (losses.usage_kl, Q.gamma, ()),
    "bernoulli_log_likelihood": (losses.bernoulli_log_likelihood, PAIR[0], (ONES,)),
    "gaussian_log_likelihood": (losses.gaussian_log_likelihood, PAIR[0], (ZEROS, ZEROS)),
    "elbo": (losses.elbo, KL[:, 0], (KL[:, 1],)),
    "exact_selection": (losses.exact_selection, KL, ()),
    "selection_kl": (losses.selection_kl, jax.nn.log_softmax(KL), ()),
    "mixture_kl": (losses.mixture_kl, KL, ()),
    "mixture_log_prob": (losses.mixture_log_prob, KL, ()),
    "importance_weighted_bound": (losses.importance_weighted_bound, KL, ()),
    "total_correlation": (
        lambda z, mean, log_var: losses.total_correlation(z, mean, log_var, 1000),
        PAIR[0, :64],
        (ZEROS[:64], ZEROS[:64]),
    ),
    "log_prob": (lambda z, p: log_prob(p, z), Z, (ONE_PRIOR,)),
    "sample": (
        lambda q, key: sample(q, jax.random.wrap_key_data(key)),
        Q,
        (jax.random.key_data(jax.random.key(1)),),
    ),
    "warm_up": (warm_up, Q, (jnp.float32(0.3),)),
    "blend_gates": (blend_gates, Q, (jnp.float32(0.3), jnp.float32(0.1))),
}
for name, prior in PRIORS.items():
    CASES |= {
        f"spike_slab_kl_matrix, {name}": (losses.spike_slab_kl_matrix, Q, (prior,)),
        f"its constant codes, {name}": (lambda p, q: losses.spike_slab_kl_matrix(q, p), prior, (Q,)),
        f"log_prob_matrix, {name}": (lambda z, p: log_prob_matrix(p, z), Z, (prior,)),
        f"its bound, {name}": (
            lambda z, p: losses.mixture_log_prob(log_prob_matrix(p, z)) + jnp.sum(z, axis=-1),
            Z,
            (prior,),
        ),
    }


def test_every_loss_is_here():
    assert {case.split(",")[0] for case in CASES} >= set(losses.__all__)


@pytest.mark.parametrize("case", CASES)
def test_constants_change_nothing(case):
    function, data, others = CASES[case]
    expected = function(data, *others)
    for compiled in (jax.jit(function)(data, *others), jax.jit(lambda data: function(data, *others))(data)):
        for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    "reduce", [jnp.sum, jnp.mean, lambda kl: jnp.sum(kl - jnp.mean(kl, 1, keepdims=True) ** 2)]
)
@pytest.mark.parametrize("matrix", ["spike_slab_kl_matrix", "its constant codes", "log_prob_matrix"])
@pytest.mark.parametrize("prior", PRIORS)
def test_constants_change_no_gradient(matrix, prior, reduce):
    function, data, others = CASES[f"{matrix}, {prior}"]

    def value(data, *others):
        return reduce(function(data, *others))

    expected = jax.grad(value)(data, *others)
    compiled = jax.jit(jax.grad(lambda data: value(data, *others)))(data)
    for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_constants_change_nothing_under_vmap():
    q = jax.tree.map(lambda a: jnp.stack([a, a[::-1]]), Q)
    prior = PRIORS["standard slabs"]
    found = jax.jit(jax.vmap(lambda q: losses.spike_slab_kl_matrix(q, prior)))(q)
    expected = losses.spike_slab_kl_matrix(Q, prior)
    np.testing.assert_allclose(found, jnp.stack([expected, expected[::-1]]), rtol=2e-4, atol=2e-4)
