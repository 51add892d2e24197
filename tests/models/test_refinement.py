"""Posteriors refined on each example's own bound: what they gain, what depends on them, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.models import build, inference, refined
from vsc_jax.models.inference import check_steps
from vsc_jax.models.objective import PACE
from vsc_jax.spike_slab import SpikeSlab

STEPS = 20
MODELS = {
    "pseudo": {},
    "conv": {"network": "conv", "shape": (8, 8, 1), "prior": "fixed"},
    "ascent": {"decoder": "linear", "likelihood": "gaussian", "prior": "fixed", "inference": "ascent"},
}


def measured(model, x, steps=STEPS):
    """As it is and refined: the bound of each example, averaged over samples, and the posteriors."""
    graph, params = nnx.split(model)

    @jax.jit
    def measure(params):
        found = []
        for measured in (model := nnx.merge(graph, params), refined(model, steps)):
            q = measured.encode(x)
            weights = measured.log_importance_weights(x, jax.random.key(9), 300, q)
            found += [jnp.mean(weights, axis=0), q]
        return found

    before, q, after, better = measure(params)
    return np.asarray(before), np.asarray(after), q, better


@pytest.mark.parametrize("kind", MODELS)
def test_the_bound_rises(tiny, examples, kind):
    settings = dict(MODELS[kind])
    shape = settings.pop("shape", examples.shape[1:])
    before, after, _, _ = measured(tiny("vsc", shape=shape, **settings), np.resize(examples, (6, *shape)))
    assert np.all(after > before - 0.1)
    if kind != "ascent":  # which has ended
        assert np.mean(after - before) > 0.3


def test_what_rests_on_the_posterior_follows_and_no_row_depends_on_others(tiny, examples):
    model = tiny("vsc")
    better, q = refined(model, STEPS), model.encode(examples, refine=STEPS)
    np.testing.assert_allclose(better.code(examples), jnp.where(q.gate_logit > 0, q.mean, 0), atol=1e-4)
    np.testing.assert_array_equal(better.components().mean, model.components().mean)
    np.testing.assert_array_equal(better.encode(examples, refine=0).mean, model.encode(examples).mean)
    for one, many in zip(model.encode(examples[2:3], refine=STEPS), q, strict=True):
        np.testing.assert_allclose(one[0], many[2], rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def dictionary():
    """A model of known atoms whose encoder knows nothing, its rows and which latents made them."""
    rng = np.random.default_rng(0)
    atoms = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    codes = np.where(rng.random((40, 8)) < 0.25, rng.choice([-2.0, 2.0], size=(40, 8)), 0)
    config = ModelConfig(
        latents=8, hidden=(4,), decoder="linear", likelihood="gaussian", inference="encoder", alpha=0.25
    )
    model = build(config, (8,), jax.random.key(0))
    model.decoder.trunk.raw_atoms[...] = jnp.asarray(atoms / 10)
    model.decoder.raw_log_var[...] = jnp.full(8, 0.1 * np.log(np.expm1(6 - np.log(20))), jnp.float32)  # 1/20
    head = model.encoder.layers[-1]
    head.kernel[...] = jnp.zeros_like(head.kernel[...])
    x = codes @ atoms + 0.05**0.5 * rng.normal(size=(40, 8))
    return model, x.astype(np.float32), codes != 0


def test_it_closes_the_gap_of_an_encoder_that_knows_nothing(dictionary):
    model, x, on = dictionary
    start, end, q, better = measured(model, x, steps=100)
    # The exact posterior of orthonormal atoms, but for gates that know which are on.
    mean = jnp.asarray(x @ np.asarray(model.decoder.trunk.atoms).T / 1.05)
    gate_logit = jnp.where(jnp.asarray(on), jnp.float32(12), jnp.float32(-12))
    ideal = SpikeSlab(mean, jnp.full_like(mean, -np.log(21)), gate_logit)
    weigh = jax.jit(lambda x, q: model.log_importance_weights(x, jax.random.key(9), 300, q))
    reached = jnp.mean(weigh(x, ideal))
    assert np.mean(end - start) > 0.8 * (reached - np.mean(start)) > 15
    assert np.mean((np.asarray(better.gate_logit) > 0) == on) > 0.98
    assert np.mean((np.asarray(q.gate_logit) > 0) == on) < 0.5


def test_what_steps_make_worse_is_left_as_it_was(dictionary, monkeypatch):
    monkeypatch.setattr(inference, "_STEP_SIZE", 5.0)
    model, x, on = dictionary
    mean = jnp.asarray(x[0] @ np.asarray(model.decoder.trunk.atoms).T / 1.05)
    gate_logit = jnp.where(jnp.asarray(on[0]), jnp.float32(6), jnp.float32(-6))
    q, prior = SpikeSlab(mean, jnp.full_like(mean, -np.log(21)), gate_logit), model.components()

    def log_likelihood(z):
        return model.decoder.log_likelihood(z[:, None], jnp.asarray(x[:1]))[:, 0]

    for end, start in zip(inference.refine(q, prior, log_likelihood, 3), q, strict=True):
        np.testing.assert_array_equal(end, start)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_a_model_without_gates_is_not_refined(tiny, kind):
    with pytest.raises(UserError, match="refine: only a VSC has gates"):
        refined(tiny(kind), 5)


@pytest.mark.parametrize("steps", [-1, 2.5, "3", True, None])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(UserError, match="refine: expected a whole number of steps, 0 or more, got"):
        check_steps(steps)


# Denoising


def test_noise_is_taken_off_where_the_model_knows_of_none() -> None:
    """Atoms with little noise of their own: the encoder's code explains the noise that was added."""
    linear = {"decoder": "linear", "likelihood": "gaussian", "prior": "fixed", "inference": "ascent"}
    config = ModelConfig(latents=20, alpha=0.2, **linear)
    model = build(config, (40,), jax.random.key(0))
    random = np.random.default_rng(0)
    atoms = random.normal(size=(20, 40)).astype(np.float32) / 3
    model.decoder.trunk.raw_atoms[...] = jnp.asarray(atoms / PACE)
    model.decoder.start_at(jnp.full(40, -5.0))
    codes = random.normal(size=(30, 20)) * (random.random((30, 20)) < 0.2)
    clean = (codes @ atoms).astype(np.float32)
    noisy = clean + 0.3 * random.normal(size=clean.shape).astype(np.float32)
    before = float(jnp.mean(jnp.square(model.reconstruct(noisy) - clean)))
    for noise in (0.3, "auto"):
        after = float(jnp.mean(jnp.square(model.denoise(noisy, noise) - clean)))
        assert after < (0.75 if noise == 0.3 else 1) * before, (noise, before, after)


def test_under_noise_of_the_models_own_size_a_posterior_is_the_refined_one(tiny, examples) -> None:
    model = tiny("vsc", likelihood="gaussian")
    model.decoder.start_at(jnp.full(12, 2 * np.log(0.3), jnp.float32))
    x = jnp.asarray(examples)
    under_noise = jax.jit(lambda x, noise: model.under_noise(x, model.encode(x), noise))
    found = under_noise(x, jnp.full(len(x), 0.3))
    for field, expected in zip(found, jax.jit(lambda x: model.encode(x, refine=20))(x), strict=True):
        np.testing.assert_allclose(field, expected, rtol=1e-3, atol=1e-4)
    other = under_noise(x, jnp.full(len(x), 3.0))
    assert not np.allclose(other.mean, found.mean, atol=1e-2)


@pytest.mark.parametrize("noise", [0, -1.0, float("nan"), float("inf"), "much", None])
def test_noise_that_is_no_deviation_is_refused(noise, tiny, examples) -> None:
    with pytest.raises(UserError, match="^noise: expected auto or a number above 0, got "):
        tiny("vsc").denoise(examples, noise)
