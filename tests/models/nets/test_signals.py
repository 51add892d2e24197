"""Convolutions over time: the same function, and the same gradient, as those of ``lax``."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets import SignalDecoder, SignalEncoder
from vsc_jax.models.nets.signals import Double, Halve, double, halve

SIZES = [(128, 9, 32), (5, 1, 2), (1, 3, 4)]  # steps, channels in and out


def normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


@pytest.mark.parametrize("function", [halve, double])
@pytest.mark.parametrize(("steps", "inner", "outer"), SIZES)
def test_patches_equal_lax_in_value_and_gradient(function, steps, inner, outer):
    x, kernel = normal(0, (2, steps, inner)), normal(1, (3, inner, outer))
    cotangent = normal(2, jax.eval_shape(function, x, kernel).shape)

    @partial(jax.jit, static_argnums=2)
    def value_and_gradients(x, kernel, method):
        value, pull = jax.vjp(lambda x, kernel: function(x, kernel, method), x, kernel)
        return value, *pull(cotangent)

    both = (value_and_gradients(x, kernel, method) for method in ("patches", "lax"))
    for ours, theirs in zip(*both, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.max(np.abs(theirs)))


def test_halving_a_known_signal():
    # Output step i sees the inputs 2 i - 1, 2 i, 2 i + 1, and zeros outside.
    x = np.arange(1, 6, dtype=np.float32).reshape(1, 5, 1)
    kernel = np.array([100, 10, 1], np.float32).reshape(3, 1, 1)
    assert np.ravel(jax.jit(halve)(x, kernel)).tolist() == [12.0, 234.0, 450.0]


def test_double_is_the_transpose_of_halve():
    long, short, kernel = normal(0, (2, 12, 3)), normal(1, (2, 6, 5)), normal(2, (3, 3, 5))
    there = jnp.vdot(jax.jit(halve)(long, kernel), short)
    back = jnp.vdot(long, jax.jit(double)(short, kernel.transpose(0, 2, 1)))
    np.testing.assert_allclose(there, back, rtol=1e-4)


@pytest.mark.parametrize("layer", [Halve, Double])
def test_layers_double_the_mean_square_for_the_relu_that_follows(layer):
    module = layer(64, 64, rngs=nnx.Rngs(0))
    module.bias[...] = jnp.zeros(64)
    out = np.asarray(jax.jit(module)(normal(1, (16, 64, 64))))[:, 1:-1]
    assert 1.85 < np.mean(np.square(out)) < 2.15


@pytest.mark.parametrize("shape", [(128, 9), (13, 1), (3, 2)])
def test_the_decoder_mirrors_the_encoder(shape):
    encoder = SignalEncoder(shape, 15, rngs=nnx.Rngs(0))
    decoder = SignalDecoder(5, shape, rngs=nnx.Rngs(0))
    assert jax.eval_shape(encoder, jnp.zeros((2, *shape))).shape == (2, 15)
    assert jax.eval_shape(decoder, jnp.zeros((2, 5))).shape == (2, np.prod(shape))
    down = [layer.kernel.shape for layer in encoder.layers]
    up = [layer.kernel.shape for layer in decoder.layers]
    assert down == [(3, shape[1], 32), (3, 32, 64), (3, 64, 64)]
    assert up == [(3, 64, 64), (3, 64, 32), (3, 32, shape[1])]


def test_channels_of_a_step_come_out_side_by_side():
    decoder = SignalDecoder(2, (8, 3), rngs=nnx.Rngs(0))
    decoder.layers[-1].kernel[...] = jnp.zeros((3, 32, 3))
    decoder.layers[-1].bias[...] = jnp.array([1.0, 2.0, 3.0])
    out = jax.jit(decoder)(jnp.zeros((1, 2))).reshape(8, 3)
    np.testing.assert_array_equal(out, np.broadcast_to([1, 2, 3], (8, 3)))


@pytest.mark.parametrize(("kind", "size"), [(SignalEncoder, 6), (SignalDecoder, 4)])
def test_gradient_reaches_every_parameter(kind, size):
    arguments = ((11, 2), size) if kind is SignalEncoder else (size, (11, 2))
    module = kind(*arguments, rngs=nnx.Rngs(0))
    x = normal(0, (64, 11, 2) if kind is SignalEncoder else (64, size))
    graph, params = nnx.split(module)
    weights = normal(1, jax.eval_shape(module, x).shape)

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return jnp.vdot(nnx.merge(graph, params)(x), weights)

    for path, leaf in jax.tree.leaves_with_path(gradient_of(params)):
        assert float(np.mean(np.asarray(leaf) != 0)) > 0.8, jax.tree_util.keystr(path)
