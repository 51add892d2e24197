"""Encoders and decoders: shapes, the mirror, and a gradient in every parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets import (
    MLP,
    ConvDecoder,
    ConvEncoder,
    GatedEncoder,
    GatedMLP,
    SignalDecoder,
    SignalEncoder,
)
from vsc_jax.models.nets.convolution import CHUNK

IMAGES = [(28, 28), (32, 32), (9, 7), (12, 10, 3), (1, 2, 1)]
SIGNALS = [(128, 9), (13, 1), (3, 2)]
NETWORKS = {"conv": (ConvEncoder, ConvDecoder), "conv1d": (SignalEncoder, SignalDecoder)}


def kernels(module):
    return [leaf.shape for leaf in jax.tree.leaves(nnx.state(module)) if leaf.ndim > 1]


def normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


@pytest.mark.parametrize("widths", [(5,), (8, 5), (16, 8, 4, 5)])
def test_mlp_of_any_depth_flattens_its_input(widths):
    mlp = MLP(12, widths, rngs=nnx.Rngs(0))
    x = normal(0, (3, 4, 3))
    assert jax.eval_shape(mlp, x).shape == (3, 5)
    apply = jax.jit(mlp)
    np.testing.assert_array_equal(apply(x), apply(np.reshape(x, (3, 12))))
    assert kernels(mlp) == list(zip((12, *widths), widths, strict=False))


def test_mlp_is_linear_layers_with_relu_between():
    mlp = MLP(3, (4, 2), rngs=nnx.Rngs(0))
    first, last = mlp.layers
    first.bias[...] = normal(1, (4,))
    last.bias[...] = normal(2, (2,))
    x = np.asarray(normal(0, (5, 3)))
    hidden = np.maximum(x @ np.asarray(first.kernel[...]) + np.asarray(first.bias[...]), 0)
    expected = hidden @ np.asarray(last.kernel[...]) + np.asarray(last.bias[...])
    np.testing.assert_allclose(mlp(jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)


def affine(layer, x):
    layer.bias[...] = normal(layer.kernel.shape[1], (layer.kernel.shape[1],))
    return x @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])


def test_gated_layers_are_one_linear_map_times_the_sigmoid_of_another():
    network = GatedMLP(6, (4, 5, 2), rngs=nnx.Rngs(0))
    x = normal(0, (7, 3, 2))
    hidden = np.asarray(x).reshape(7, 6)
    for layer in network.layers:
        hidden = affine(layer.value, hidden) / (1 + np.exp(-affine(layer.gate, hidden)))
    expected = affine(network.last, hidden)
    np.testing.assert_allclose(network(x), expected, rtol=1e-5, atol=1e-6)
    assert kernels(network) == [(5, 2), (6, 4), (6, 4), (4, 5), (4, 5)]


def test_gated_kernels_start_with_variance_two_by_their_inputs():
    network = GatedMLP(200, (300, 400), rngs=nnx.Rngs(0))
    layers = [(network.layers[0].value, 200), (network.layers[0].gate, 200), (network.last, 300)]
    for layer, inputs in layers:
        assert np.var(np.asarray(layer.kernel[...])) == pytest.approx(2 / inputs, rel=0.03)
        assert not np.any(np.asarray(layer.bias[...]))


def test_a_gated_encoder_cuts_off_log_variances_and_nothing_else():
    encoder = GatedEncoder(3, (4, 6), 2, rngs=nnx.Rngs(0))
    free = GatedMLP(3, (4, 6), rngs=nnx.Rngs(0))
    x = 50 * normal(0, (64, 3))
    outputs, expected = np.asarray(encoder(x)), np.array(free(x))
    assert (expected[:, 2:4] < -6).any()
    assert (expected[:, 2:4] > 2).any()
    expected[:, 2:4] = np.clip(expected[:, 2:4], -6, 2)
    np.testing.assert_array_equal(outputs, expected)
    one_part = GatedEncoder(3, (4, 2), 2, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(one_part(x), GatedMLP(3, (4, 2), rngs=nnx.Rngs(0))(x))


@pytest.mark.parametrize(
    ("network", "shape"), [*(("conv", shape) for shape in IMAGES), *(("conv1d", shape) for shape in SIGNALS)]
)
def test_convolution_shapes(network, shape):
    encoder, decoder = NETWORKS[network]
    assert jax.eval_shape(encoder(shape, 15, rngs=nnx.Rngs(0)), jnp.zeros((2, *shape))).shape == (2, 15)
    out = jax.eval_shape(decoder(5, shape, rngs=nnx.Rngs(0)), jnp.zeros((2, 5)))
    assert out.shape == (2, np.prod(shape))


def test_the_decoder_mirrors_the_encoder():
    encoder, decoder = ConvEncoder((28, 28), 15, rngs=nnx.Rngs(0)), ConvDecoder(5, (28, 28), rngs=nnx.Rngs(0))
    order = ("first", "second", "full", "head")
    down = [getattr(encoder, name).kernel.shape for name in order]
    up = [getattr(decoder, name).kernel.shape for name in order]
    assert down == [(3, 3, 1, 16), (3, 3, 16, 32), (7 * 7 * 32, 64), (64, 15)]
    assert up == [(3, 3, 16, 1), (3, 3, 32, 16), (64, 7 * 7 * 32), (5, 64)]
    encoder, decoder = (
        SignalEncoder((128, 9), 15, rngs=nnx.Rngs(0)),
        SignalDecoder(5, (128, 9), rngs=nnx.Rngs(0)),
    )
    assert [layer.kernel.shape for layer in encoder.layers] == [(3, 9, 32), (3, 32, 64), (3, 64, 64)]
    assert [layer.kernel.shape for layer in decoder.layers] == [(3, 64, 64), (3, 64, 32), (3, 32, 9)]
    assert (encoder.full.kernel.shape, decoder.full.kernel.shape) == ((16 * 64, 128), (128, 16 * 64))


def test_images_with_and_without_a_channel_axis_are_the_same():
    with_axis, without = (ConvEncoder(shape, 6, rngs=nnx.Rngs(0)) for shape in ((8, 8, 1), (8, 8)))
    x = normal(0, (2, 8, 8))
    np.testing.assert_array_equal(jax.jit(with_axis)(np.asarray(x)[..., None]), jax.jit(without)(x))


@pytest.mark.parametrize(("network", "shape"), [("conv", (4, 4, 3)), ("conv1d", (8, 3))])
def test_values_come_out_in_the_examples_order(network, shape):
    # The last layer alone, at its centre tap, paints the channels of each pixel or step side by side.
    decoder = NETWORKS[network][1](2, shape, rngs=nnx.Rngs(0))
    last = decoder.first if network == "conv" else decoder.layers[-1]
    last.kernel[...] = jnp.zeros_like(last.kernel[...])
    last.bias[...] = jnp.array([1.0, 2.0, 3.0])
    out = jax.jit(decoder)(jnp.zeros((1, 2))).reshape(shape)
    np.testing.assert_array_equal(out, np.broadcast_to([1, 2, 3], shape))


@pytest.mark.parametrize(("kind", "arguments", "shape"), [
    (MLP, (48, (16, 6)), (48,)), (GatedMLP, (48, (16, 6)), (48,)),
    (ConvEncoder, ((7, 5), 6), (7, 5)), (ConvDecoder, (48, (7, 5)), (48,)),
    (SignalEncoder, ((11, 2), 6), (11, 2)), (SignalDecoder, (4, (11, 2)), (4,)),
])  # fmt: skip
def test_gradient_reaches_every_parameter(kind, arguments, shape):
    module, x = kind(*arguments, rngs=nnx.Rngs(0)), normal(0, (64, *shape))
    graph, params = nnx.split(module)
    weights = normal(1, jax.eval_shape(module, x).shape)

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return jnp.vdot(nnx.merge(graph, params)(x), weights)

    for path, leaf in jax.tree.leaves_with_path(gradient_of(params)):
        assert float(np.mean(np.asarray(leaf) != 0)) > 0.8, jax.tree_util.keystr(path)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("side", [0, 1])
def test_a_large_batch_keeps_its_order(network, side):
    shape = (8, 8)
    module = NETWORKS[network][side](*((shape, 3) if side == 0 else (3, shape)), rngs=nnx.Rngs(0))
    x = normal(0, (CHUNK + 5, *(shape if side == 0 else (3,))))
    apply = jax.jit(module)
    np.testing.assert_allclose(apply(x)[-7:], apply(x[-7:]), rtol=1e-4, atol=1e-5)
