"""The true bound, the paper's objective, and the importance-weighted bound against enumeration."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import logsumexp
from scipy.stats import norm

from vsc_jax.config import ModelConfig
from vsc_jax.evaluation import bounds as importance
from vsc_jax.evaluation import encoding
from vsc_jax.evaluation.bounds import importance_weighted
from vsc_jax.evaluation.encoding import map_batches, means
from vsc_jax.models import VAE, build


def bounds_of_batch(model, x, key):
    return model.bounds(x, key)


def bounds(model, x):
    return means(map_batches(bounds_of_batch, model, x, jax.random.key(0)))


@pytest.fixture(scope="module")
def many(examples):
    return np.tile(examples, (50, 1))


def test_elbo_is_reconstruction_less_kl_however_the_model_was_trained(tiny, many):
    vae, vsc = (bounds(tiny(kind), many) for kind in ("vae", "vsc"))
    fixed = bounds(tiny("vsc", prior="fixed"), many)
    for values in (vae, vsc, fixed):
        assert values["elbo"] == pytest.approx(values["reconstruction"] - values["kl"], rel=1e-5)
        assert values["kl"] > 0
    assert vsc == bounds(tiny("vsc", selection="paper", gate="sigmoid", weigh_slab_kl=False), many)
    assert set(bounds(tiny("ae"), many)) == {"reconstruction"}
    # A fixed prior has nothing to select.
    assert fixed["selection_kl"] == pytest.approx(0, abs=1e-6)
    assert "elbo_classifier" not in fixed
    assert tiny("vsc", prior="fixed").selections(many[:10]) is None


@pytest.mark.parametrize(("name", "how"), [("elbo_classifier", "soft"), ("paper_objective", "paper")])
def test_exact_weights_give_the_tightest_bound_and_others_the_divergence_that_is_theirs(
    tiny, many, name, how
):
    """That of the paper's weights leaves out the price of the selection, up to ``log U``."""
    model = tiny("vsc")
    values = bounds(model, many)
    assert values["elbo_classifier"] < values["elbo"]
    assert 0 <= values["selection_kl"] <= math.log(3)
    divergence = jax.jit(lambda x: model.selection_terms(x, how).kl)(many)
    assert values[name] == pytest.approx(values["reconstruction"] - float(divergence.mean()), rel=1e-5)


GRID = np.linspace(-9, 9, 181)
STEP = GRID[1] - GRID[0]
MODELS = {
    "vae": ("vae", {"likelihood": "gaussian", "min_log_var": -2.0}),
    "vsc pseudo": ("vsc", {"initial_gate_logit": 0.5}),
    "vsc fixed": ("vsc", {"prior": "fixed", "alpha": 0.3}),
}


def codes_and_log_measure(latents: int, sparse: bool):
    """Quadrature points of the mixed measure, pattern by pattern: codes ``[n, J]``, log weights ``[n]``."""
    for pattern in itertools.product((0, 1) if sparse else (1,), repeat=latents):
        axes = [GRID + 1e-9 if on else np.zeros(1) for on in pattern]
        codes = np.stack([axis.reshape(-1) for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        yield codes, np.full(len(codes), sum(pattern) * math.log(STEP))


def log_prior(model, codes: np.ndarray) -> np.ndarray:
    """Log-density of codes under the prior, from its formula, in double precision."""
    if not hasattr(model, "pseudo_inputs"):
        return norm.logpdf(codes).sum(axis=1)
    prior = jax.jit(model.components)()
    prior = jax.tree.map(lambda field: np.asarray(field, np.float64)[:, None], prior)
    gamma = 1 / (1 + np.exp(-prior.gate_logit))
    slab = norm.pdf(codes, prior.mean, np.exp(0.5 * prior.log_var))
    density = np.where(codes != 0, gamma * slab, 1 - gamma).prod(axis=-1)
    return np.log(density.mean(axis=0))


def log_likelihood(model, x: np.ndarray) -> np.ndarray:
    """``log p(x)`` of each example."""
    x = jnp.asarray(x)
    decode = jax.jit(jax.vmap(lambda z: model.decoder.log_likelihood(jnp.tile(z[None], (len(x), 1)), x)))
    terms = []
    for codes, log_measure in codes_and_log_measure(model.latents, hasattr(model, "pseudo_inputs")):
        given = np.asarray(decode(jnp.asarray(codes, jnp.float32)), np.float64)
        terms.append(given + (log_prior(model, codes) + log_measure)[:, None])
    return logsumexp(np.concatenate(terms), axis=0)


@pytest.mark.parametrize("name", MODELS)
def test_it_grows_with_the_samples_from_the_elbo_to_the_integrated_likelihood(tiny, examples, many, name):
    kind, settings = MODELS[name]
    model = tiny(kind, **settings)
    truth, key = log_likelihood(model, examples), jax.random.key(0)
    most = importance_weighted(model, examples, jax.random.clone(key), samples=20_000)
    np.testing.assert_allclose(most, truth, atol=0.04)
    few = [importance_weighted(model, many, jax.random.clone(key), samples=k) for k in (1, 50)]
    values = [bound.mean(dtype=np.float64) for bound in few]
    assert values[0] < values[1]
    if name != "vsc fixed":
        # One sample of a Gaussian posterior is the ELBO; the exact mixture density makes it tighter.
        assert bounds(model, many)["elbo"] < values[0] + 0.05
    assert values[-1] <= truth.mean() + 0.01


def test_samples_beyond_those_asked_for_do_not_count(tiny, examples, monkeypatch):
    model, key = tiny("vsc"), jax.random.key(0)
    monkeypatch.setattr(importance, "_CPU_CHUNK_NUMBERS", 3 * len(examples) * 8)
    chunked = importance_weighted(model, examples, key, samples=7)
    x = jnp.asarray(examples)
    weigh = jax.jit(lambda key: model.log_importance_weights(x, key, 3))
    weights = [weigh(jax.random.fold_in(jax.random.fold_in(key, 0), chunk)) for chunk in range(3)]
    expected = logsumexp(np.concatenate(weights).astype(np.float64)[:7], axis=0) - math.log(7)
    np.testing.assert_allclose(chunked, expected, rtol=1e-5)


def test_weights_of_any_size_are_summed(tiny, examples, monkeypatch):
    """Chunk after chunk of weights ``exp(1e4 k)`` and ``exp(-1e4 k)``."""

    def weights(self, x, key, samples, q):
        sign = jnp.where(jnp.arange(x.shape[0]) % 2 == 0, 1.0, -1.0)
        return jnp.tile(1e4 * sign[None], (samples, 1))

    monkeypatch.setattr(VAE, "log_importance_weights", weights)
    values = importance._bound_of_chunks(10, 3)(tiny("vae"), jnp.asarray(examples), jax.random.key(0))
    np.testing.assert_allclose(values, np.tile([1e4, -1e4], 6), rtol=1e-6)


def test_memory_does_not_grow_with_the_samples(tiny):
    model = build(ModelConfig(kind="vsc", latents=60, hidden=(400,)), (28, 28), jax.random.key(0))
    graph, params = nnx.split(model)
    measured = []

    def program(measure, model, x, key, *, batch_size, on_batch):
        batch = jax.ShapeDtypeStruct((batch_size, 28, 28), jnp.uint8)
        compiled = encoding._measure.lower(measure, graph, params, batch, key).compile()
        measured.append(compiled.memory_analysis().temp_size_in_bytes)
        return np.zeros(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "map_batches", program)
        x = np.zeros((10_000, 28, 28), np.uint8)
        importance_weighted(model, x, jax.random.key(0), samples=5_000)
    assert measured[0] < 100 * 2**20


def test_the_widest_hidden_layer_counts_in_the_size_of_a_chunk(tiny, examples, monkeypatch):
    """With room for two samples of the widest layer, 64, at a time: not for the ten of the 12 pixels."""
    chunks = []
    monkeypatch.setattr(importance, "_CPU_CHUNK_NUMBERS", 2 * len(examples) * 64)
    monkeypatch.setattr(importance, "_bound_of_chunks", lambda samples, chunk: chunks.append(chunk))
    monkeypatch.setattr(importance, "map_batches", lambda *_, **options: np.zeros(1))
    importance_weighted(tiny("vae", hidden=(64,)), examples, jax.random.key(0), samples=20)
    assert chunks == [2]
