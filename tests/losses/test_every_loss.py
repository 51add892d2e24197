"""What holds for every loss and for the spike-and-slab alike.

Each gives the same numbers op by op, compiled, under vmap, and compiled with all but one argument a constant:
XLA's compiler for CPUs multiplies wrongly by matrices that are one number throughout, as those of a standard
prior are, from some 4,096 results on, with few optimizations as with all (``docs/mathematics.md``, "A product
with constants"). Each keeps the dtype of its first array, has the gradient of its values, and is finite in
both at extreme arguments.
"""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax import losses
from vsc_jax.soft_threshold import SoftThreshold
from vsc_jax.spike_slab import SpikeSlab, blend_gates, log_prob, log_prob_matrix, sample, warm_up

RNG = np.random.default_rng(0)


def spike_slab(*shape):
    return SpikeSlab(RNG.normal(0, 1, shape), RNG.normal(-0.5, 0.7, shape), RNG.normal(0, 1.5, shape))


def samples(q, sharpness, gates=("sigmoid", "concrete", "straight_through", "bernoulli")):
    keys = [jax.random.clone(jax.random.key(1)) for _ in gates]
    drawn = [sample(q, key, gate=gate, sharpness=sharpness) for key, gate in zip(keys, gates, strict=True)]
    return jax.tree.map(lambda *draws: jnp.stack(draws), *drawn)


def sparsity_kl(mean_gamma, alpha):
    return losses.sparsity_kl(mean_gamma, alpha, 60)


def total_correlation(z, mean, log_var):
    return losses.total_correlation(z, mean, log_var, 50)


def densities(z, p):
    return log_prob_matrix(p, z)


Q, P, A, KL = spike_slab(4, 3), spike_slab(4, 3), RNG.normal(size=(4, 3)), RNG.uniform(0, 9, (4, 3))
COUNTS = np.array([[1.0, 2, 3], [40, 5, 1], [7, 3, 900], [2, 12, 5]])
GAMMA, ALPHA = RNG.uniform(0.1, 0.4, (4, 3)), RNG.uniform(0.6, 0.9, (4, 3))

# Every function at ordinary arguments, and at those where a careless form overflows. Extreme ones are all
# combinations, in columns.
LOGITS, LOG_VARS, MEANS = (
    (-1e4, -100.0, -20.0, -1e-3, 0.0, 3.0, 100.0, 1e4),
    (-30.0, -3.0, 0.0, 20.0),
    (-100.0, 0, 1),
)


def combined(*axes):
    return [np.array(column) for column in zip(*itertools.product(*axes), strict=True)]


WILD = SpikeSlab(*combined(MEANS, LOG_VARS, LOGITS))
ROWS = SpikeSlab(*(field.reshape(-1, 8) for field in WILD))
WILD_Q, WILD_P = (SpikeSlab(*(np.expand_dims(field, axis) for field in WILD)) for axis in (1, 0))
# The last one overflows in the slab behind a closed gate.
WIDE = SpikeSlab(*(np.append(np.tile(f, 3), last) for f, last in zip(WILD, (1e35, -30.0, -5.0), strict=True)))
OFF_AND_ON = np.append(np.repeat([0.0, -1, 1e3], len(WILD.mean)), 0.0)
WILD_KL = np.array([[0.0, 1e4, 1e6], [1e24, 1e24, 1e23], [5.0, 5.0, 5.0]])
WIDE_OR_NOT = combined(MEANS, (-20.0, 0, 10), (0.5, 3.0))
BATCH = (np.array([[-100.0, 0], [1, 255], [0, 0]]), np.array([[0.0, 0], [1, 255], [-100, 0]]))
EVERY = {
    "gaussian_kl": (losses.gaussian_kl, (*Q[:2], *P[:2]), combined(MEANS, LOG_VARS, MEANS, LOG_VARS)),
    "laplace_kl": (
        losses.laplace_kl, (*Q[:2], *P[:2]), combined(MEANS, (-15.0, 0, 9), MEANS, (-15.0, 0, 9)),
    ),
    "soft_threshold_kl": (
        losses.soft_threshold_kl, (SoftThreshold(*Q[:2], ALPHA), SoftThreshold(*P[:2], ALPHA)),
        (SoftThreshold(*WIDE_OR_NOT), SoftThreshold(*np.zeros((2, 18)), WIDE_OR_NOT[2])),
    ),
    "bernoulli_kl": (losses.bernoulli_kl, (Q[2], P[2]), combined(LOGITS, LOGITS)),
    "spike_slab_kl": (losses.spike_slab_kl, (Q, P), (WILD_Q, WILD_P)),
    "spike_slab_kl_matrix": (losses.spike_slab_kl_matrix, (Q, P), (ROWS, SpikeSlab(*(f[::2] for f in ROWS)))),
    "sparsity_kl": (sparsity_kl, (GAMMA, ALPHA), combined((0, 1e-38, 1e-30, 0.5, 0.999, 1), (0.01, 0.9))),
    "usage_penalty": (losses.usage_penalty, (Q[2],), (np.array([LOGITS, LOGITS[::-1]]),)),
    "bernoulli_log_likelihood": (losses.bernoulli_log_likelihood, (A, GAMMA), combined(LOGITS, (0, 0.3, 1))),
    "gaussian_log_likelihood": (
        losses.gaussian_log_likelihood, (A, Q[1], Q[0]), combined(MEANS, LOG_VARS, (-1.0, 0, 255)),
    ),
    "poisson_log_likelihood": (
        losses.poisson_log_likelihood, (A, COUNTS), combined((-30.0, 0, 20), (0.0, 1, 3e4)),
    ),
    "negative_binomial_log_likelihood": (
        losses.negative_binomial_log_likelihood, (A, Q[1], COUNTS),
        combined((-30.0, 0, 20), (-10.0, 0, 10), (0.0, 1, 3e4)),
    ),
    "student_t_log_likelihood": (
        losses.student_t_log_likelihood, (A, Q[1], P[1], Q[0]),
        combined(MEANS, (-15.0, 0, 10), (-3.0, 0, 10), (0.0, 255)),
    ),
    "categorical_log_likelihood": (
        lambda logits, x: losses.categorical_log_likelihood(logits, x, np.array([0, 0, 1])),
        (A, GAMMA), (np.array([[-1e4, 1e4, 0], [0, 0, 1e4]]), np.array([[1.0, 0, 1], [0, 1, 1]])),
    ),
    "elbo": (losses.elbo, (A, KL), combined((-1e6, 0.0), (0.0, 1e6))),
    "exact_selection": (losses.exact_selection, (KL,), (WILD_KL,)),
    "selection_kl": (lambda kl: losses.selection_kl(losses.exact_selection(kl)), (KL,), (WILD_KL,)),
    "mixture_kl": (losses.mixture_kl, (KL,), (WILD_KL,)),
    "mixture_log_prob": (losses.mixture_log_prob, (A,), (-WILD_KL,)),
    "importance_weighted_bound": (losses.importance_weighted_bound, (A,), (-WILD_KL,)),
    "total_correlation": (
        total_correlation, (A, Q[0], Q[1]), (*BATCH, np.array([[-30.0, 20], [0, -30], [20, -30]])),
    ),
    "log_prob": (log_prob, (Q, A), (WIDE, OFF_AND_ON)),
    "log_prob_matrix": (log_prob_matrix, (P, A), (ROWS, np.resize([0.0, -1.0, 1e3], (5, 8)))),
    "sample": (samples, (Q, np.float64(3)), (WILD, np.float64(100))),
    "warm_up": (warm_up, (Q, np.float64(0.4)), (WILD_Q, np.array([[0.0, 1e-6, 0.5, 1.0]]))),
    "blend_gates": (
        lambda p, rate: [blend_gates(p, epsilon, rate).gate_logit for epsilon in (0.0, 1e-6, 0.3, 1.0)],
        (Q, np.float64(0.1)), (WILD, np.float64(0.05)),
    ),
}  # fmt: skip


def cast(arguments, dtype):
    return jax.tree.map(lambda a: jnp.asarray(a, dtype), tuple(arguments))


def test_every_loss_is_here():
    assert set(losses.__all__) <= set(EVERY)


def like(tree):
    """Random values in the place of those of a tree."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), tree)


@pytest.mark.parametrize("name", EVERY)
def test_the_gradient_is_that_of_finite_differences(x64, name):
    """Along one direction, of the values weighted at random."""
    function, arguments, _ = EVERY[name]
    if name == "sample":
        function = lambda q, sharpness: samples(q, sharpness, ("sigmoid", "concrete"))  # noqa: E731
    direction, weights = like((arguments, jax.eval_shape(function, *arguments)))

    @jax.jit
    def slopes(arguments):
        def along(step):
            moved = jax.tree.map(lambda a, d: a + step * d, arguments, direction)
            return jax.tree.map(jnp.vdot, function(*moved), weights)

        total = lambda step: sum(jax.tree.leaves(along(step)))  # noqa: E731
        after, before = jax.vmap(total)(jnp.array([5e-5, -5e-5]))
        return jax.grad(total)(0.0), (after - before) / 1e-4

    np.testing.assert_allclose(*slopes(arguments), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", EVERY)
def test_it_is_finite_in_value_and_gradient(name, dtype):
    function, _, arguments = EVERY[name]

    def total(*arguments):
        values = function(*arguments)
        return sum(jnp.sum(leaf.astype(jnp.float32)) for leaf in jax.tree.leaves(values)), values

    arguments = cast(arguments, dtype)
    by_argument = jax.grad(total, argnums=tuple(range(len(arguments))), has_aux=True)
    for leaf in jax.tree.leaves(jax.jit(by_argument)(*arguments)):
        assert np.isfinite(np.asarray(leaf, np.float64)).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("name", EVERY)
def test_the_first_array_decides_the_dtype(x64, name, dtype):
    """Also with 64-bit types enabled and wider NumPy arrays beside it."""
    function, (first, *others), _ = EVERY[name]
    for leaf in jax.tree.leaves(jax.eval_shape(function, *cast([first], dtype), *others)):
        assert leaf.dtype == dtype


@pytest.mark.parametrize("name", EVERY)
def test_the_rows_of_a_batch_are_as_each_alone(name):
    function, arguments, _ = EVERY[name]
    arguments = cast(arguments, jnp.float32)
    stacked = jax.tree.map(lambda a: jnp.stack([a, 0.9 * a[::-1] if a.ndim else a]), arguments)
    together = jax.jit(jax.vmap(function))(*stacked)
    for row in range(2):
        alone = jax.jit(function)(*jax.tree.map(lambda a, row=row: a[row], stacked))
        found = jax.tree.map(lambda a, row=row: a[row], together)
        chex.assert_trees_all_close(found, alone, rtol=1e-5, atol=1e-5)


LATENTS, COMPONENTS = 60, 16


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape).astype(np.float32))


STANDARD = jnp.zeros((2, COMPONENTS, LATENTS))
PRIORS = {
    "general": SpikeSlab(*normal(3, COMPONENTS, LATENTS)),
    "standard slabs": SpikeSlab(*STANDARD, normal(COMPONENTS, LATENTS)),
    "fixed": SpikeSlab(*STANDARD, STANDARD[0] - 2),
    "narrow slabs": SpikeSlab(STANDARD[0] + 1, STANDARD[0] - 2, normal(COMPONENTS, LATENTS)),
}
MANY = SpikeSlab(*normal(3, 256, LATENTS))
CODES = sample(MANY, jax.random.key(0))
ZEROS = jnp.zeros((256, LATENTS))
ONE_PRIOR = SpikeSlab(ZEROS[:1], ZEROS[:1], ZEROS[:1] - 2)
# The function, the data, and what may be a constant beside them.
CASES = {
    "gaussian_kl": (losses.gaussian_kl, MANY.mean, (MANY.log_var, ZEROS, ZEROS)),
    "laplace_kl": (losses.laplace_kl, MANY.mean, (MANY.log_var, ZEROS, ZEROS)),
    "bernoulli_kl": (losses.bernoulli_kl, MANY.mean, (ZEROS,)),
    "spike_slab_kl": (losses.spike_slab_kl, MANY, (ONE_PRIOR,)),
    "sparsity_kl": (sparsity_kl, MANY.gamma, (jnp.float32(0.1),)),
    "bernoulli_log_likelihood": (losses.bernoulli_log_likelihood, MANY.mean, (ZEROS + 1,)),
    "gaussian_log_likelihood": (losses.gaussian_log_likelihood, MANY.mean, (ZEROS, ZEROS)),
    "elbo": (losses.elbo, MANY.mean, (ZEROS,)),
    "total_correlation": (total_correlation, MANY.mean[:64], (ZEROS[:64], ZEROS[:64])),
    "log_prob": (lambda z, p: log_prob(p, z), CODES, (ONE_PRIOR,)),
    "warm_up": (warm_up, MANY, (jnp.float32(0.3),)),
    "blend_gates": (blend_gates, MANY, (jnp.float32(0.3), jnp.float32(0.1))),
}
for _name, _prior in PRIORS.items():
    CASES |= {
        f"spike_slab_kl_matrix, {_name}": (losses.spike_slab_kl_matrix, MANY, (_prior,)),
        f"its constant codes, {_name}": (lambda p, q: losses.spike_slab_kl_matrix(q, p), _prior, (MANY,)),
        f"log_prob_matrix, {_name}": (densities, CODES, (_prior,)),
        f"its bound, {_name}": (
            lambda z, p: losses.mixture_log_prob(densities(z, p)) + jnp.sum(z, axis=-1), CODES, (_prior,),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_constants_change_nothing(case):
    function, data, others = CASES[case]
    expected = function(data, *others)
    for compiled in (jax.jit(function)(data, *others), jax.jit(lambda data: function(data, *others))(data)):
        chex.assert_trees_all_close(compiled, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("reduce", [jnp.mean, lambda kl: jnp.sum(kl - jnp.mean(kl, 1, keepdims=True) ** 2)])
@pytest.mark.parametrize("matrix", ["spike_slab_kl_matrix", "its constant codes", "log_prob_matrix"])
@pytest.mark.parametrize("prior", PRIORS)
def test_constants_change_no_gradient(matrix, prior, reduce):
    function, data, others = CASES[f"{matrix}, {prior}"]
    expected = jax.grad(lambda data, *others: reduce(function(data, *others)))(data, *others)
    compiled = jax.jit(jax.grad(lambda data: reduce(function(data, *others))))(data)
    for ours, theirs in zip(jax.tree.leaves(compiled), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_constants_change_nothing_under_vmap():
    q, prior = jax.tree.map(lambda a: jnp.stack([a, a[::-1]]), MANY), PRIORS["standard slabs"]
    found = jax.jit(jax.vmap(lambda q: losses.spike_slab_kl_matrix(q, prior)))(q)
    expected = losses.spike_slab_kl_matrix(MANY, prior)
    np.testing.assert_allclose(found, jnp.stack([expected, expected[::-1]]), rtol=2e-4, atol=2e-4)
