"""From a configuration to a model: what it holds, where it starts, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import ModelConfig
from vsc_jax.models import VAE, VSC, Autoencoder, build, parameter_count

EXAMPLES = np.random.default_rng(0).integers(0, 256, (9, 4, 3), np.uint8)
SMALL = {"latents": 2, "hidden": (5,), "prior": "pseudo"}


def built(seed=0, shape=(4, 3), examples=EXAMPLES, **settings):
    return build(ModelConfig(**{**SMALL, **settings}), shape, jax.random.key(seed), examples=examples)


def leaves(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model))]


@pytest.mark.parametrize(
    ("kind", "model", "outputs"), [("ae", Autoencoder, 2), ("vae", VAE, 4), ("vsc", VSC, 6)]
)
def test_kinds_hold_parameters_alone_and_the_decoder_mirrors_the_encoder(kind, model, outputs):
    made = built(kind=kind, hidden=(7, 6, 5))
    assert type(made) is model
    encoder = [layer.kernel.shape for layer in made.encoder.layers]
    decoder = [layer.kernel.shape for layer in made.decoder.trunk.layers]
    assert encoder == [(12, 7), (7, 6), (6, 5), (5, outputs)]
    assert decoder == [(2, 5), (5, 6), (6, 7), (7, 12)]
    assert all(isinstance(leaf, nnx.Param) for _, leaf in nnx.to_flat_state(nnx.state(made)))


@pytest.mark.parametrize(("kind", "outputs"), [("ae", 2), ("vae", 4), ("vsc", 6)])
def test_gated_networks_mirror_each_other_and_hold_the_log_variance(kind, outputs):
    made = built(kind=kind, network="gated", hidden=(7, 6), prior="fixed")
    encoder, decoder = made.encoder, made.decoder.trunk
    shapes = [[layer.gate.kernel.shape for layer in each.layers] for each in (encoder, decoder)]
    assert shapes == [[(12, 7), (7, 6)], [(2, 6), (6, 7)]]
    assert (encoder.last.kernel.shape, decoder.last.kernel.shape) == ((6, outputs), (7, 12))
    if kind != "ae":
        encoder.last.bias[...] = jnp.full(outputs, 40.0)
        q = made.encode(EXAMPLES)
        np.testing.assert_array_equal(q.log_var, np.full((9, 2), 2.0, np.float32))
        assert float(jnp.min(q.mean)) > 30
        if kind == "vsc":
            assert float(jnp.min(q.gate_logit)) > 30


def test_the_key_decides_every_weight():
    first, again, other = (leaves(built(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(np.any(a != b) for a, b in zip(first, other, strict=True) if a.ndim == 2)


def test_pseudo_inputs_start_at_distinct_training_examples():
    values = np.asarray(built(pseudo_inputs=6).pseudo_inputs())
    inside = np.clip(EXAMPLES / 255, 0.02, 0.98)
    distance = np.abs(values[:, None] - inside[None]).max(axis=(2, 3))
    assert sorted(set(distance.argmin(axis=1))) == sorted(distance.argmin(axis=1))
    assert distance.min(axis=1).max() < 1e-5


def test_more_pseudo_inputs_than_examples_repeat_them():
    values = np.asarray(built(pseudo_inputs=20).pseudo_inputs())
    assert len(np.unique(values.round(4), axis=0)) == 9


def test_without_examples_pseudo_inputs_start_at_grey():
    np.testing.assert_allclose(built(examples=None, pseudo_inputs=2).pseudo_inputs(), np.full((2, 4, 3), 0.5))


def test_pseudo_inputs_of_unbounded_data_are_the_data():
    x = np.random.default_rng(0).normal(0, 5, (9, 4)).astype(np.float32)
    values = np.asarray(built(shape=(4,), examples=x, likelihood="gaussian", pseudo_inputs=9).pseudo_inputs())
    np.testing.assert_array_equal(values[np.lexsort(values.T)], x[np.lexsort(x.T)])


def test_counts_are_reconstructed_at_their_totals():
    x = np.random.default_rng(0).poisson(3.0, (120, 6)).astype(np.float32)
    made = built(shape=(6,), examples=x, likelihood="negative_binomial", pseudo_inputs=4)
    np.testing.assert_allclose(np.exp(made.decoder.offset).sum(), 18, atol=2)
    np.testing.assert_allclose(made.reconstruct(x).sum(axis=1), x.sum(axis=1), rtol=1e-4)
    assert (made.pseudo_inputs() > 0).all()


def test_fixed_prior_has_neither_pseudo_inputs_nor_classifier():
    made = built(prior="fixed", alpha=0.25)
    assert made.pseudo_inputs is None
    assert made.classifier is None
    mean, log_var, gate_logit = made.components()
    np.testing.assert_array_equal(jnp.stack([mean, log_var]), np.zeros((2, 1, 2)))
    np.testing.assert_allclose(gate_logit, np.full((1, 2), np.log(1 / 3)), rtol=1e-6)


def test_a_model_can_be_built_abstractly():
    abstract = nnx.state(nnx.eval_shape(lambda: built(examples=None)))
    assert [leaf.shape for leaf in jax.tree.leaves(abstract)] == [leaf.shape for leaf in leaves(built())]


@pytest.mark.parametrize("settings", [
    {}, {"network": "gated", "prior": "fixed", "alpha": 0.1},
    {"prior": "fixed", "decoder": "linear"},
    {"prior": "fixed", "decoder": "linear", "inference": "lista"},
    {"prior": "fixed", "decoder": "linear", "inference": "ascent", "likelihood": "gaussian"},
    {"network": "conv"},
])  # fmt: skip
def test_about_as_many_parameters_are_counted_as_are_made(settings):
    config = ModelConfig(latents=30, hidden=(50,), **settings)
    made = build(config, (20, 20), jax.random.key(0))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(made, nnx.Param))]
    assert parameter_count(config, (20, 20)) == pytest.approx(sum(sizes), rel=0.2)
