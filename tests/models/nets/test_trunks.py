"""Encoders and decoders: shapes, the mirror, and a gradient in every parameter."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets import MLP, ConvDecoder, ConvEncoder
from vsc_jax.models.nets.convolution import PIECE, UNROLLED, in_pieces, use_patches
from vsc_jax.models.nets.trunks import image_shape

SHAPES = [(28, 28), (32, 32), (9, 7), (12, 10, 3), (1, 2, 1)]


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


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_shapes(shape):
    encoder = ConvEncoder(shape, 15, rngs=nnx.Rngs(0))
    decoder = ConvDecoder(5, shape, rngs=nnx.Rngs(0))
    assert jax.eval_shape(encoder, jnp.zeros((2, *shape))).shape == (2, 15)
    assert jax.eval_shape(decoder, jnp.zeros((2, 5))).shape == (2, np.prod(shape))


def test_convolution_is_the_seed_reports_and_the_decoder_mirrors_it():
    encoder = ConvEncoder((28, 28), 15, rngs=nnx.Rngs(0))
    decoder = ConvDecoder(5, (28, 28), rngs=nnx.Rngs(0))
    order = ("first", "second", "full", "head")
    down = [getattr(encoder, name).kernel.shape for name in order]
    up = [getattr(decoder, name).kernel.shape for name in order]
    assert down == [(3, 3, 1, 16), (3, 3, 16, 32), (7 * 7 * 32, 64), (64, 15)]
    assert up == [(3, 3, 16, 1), (3, 3, 32, 16), (64, 7 * 7 * 32), (5, 64)]


def test_images_with_and_without_a_channel_axis_are_the_same():
    with_axis, without = (ConvEncoder(shape, 6, rngs=nnx.Rngs(0)) for shape in ((8, 8, 1), (8, 8)))
    x = normal(0, (2, 8, 8))
    np.testing.assert_array_equal(jax.jit(with_axis)(np.asarray(x)[..., None]), jax.jit(without)(x))


def test_pixels_come_out_in_the_examples_order():
    # The last layer alone, at its centre tap, paints the channels of each pixel side by side.
    decoder = ConvDecoder(2, (4, 4, 3), rngs=nnx.Rngs(0))
    decoder.first.kernel[...] = jnp.zeros((3, 3, 16, 3))
    decoder.first.bias[...] = jnp.array([1.0, 2.0, 3.0])
    out = jax.jit(decoder)(jnp.zeros((1, 2))).reshape(4, 4, 3)
    np.testing.assert_array_equal(out, np.broadcast_to([1, 2, 3], (4, 4, 3)))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(MLP, (48, (16, 6))), (ConvEncoder, ((7, 5), 6)), (ConvDecoder, (48, (7, 5)))],
)
def test_gradient_reaches_every_parameter(kind, arguments):
    module = kind(*arguments, rngs=nnx.Rngs(0))
    x = normal(0, (64, 7, 5) if isinstance(module, ConvEncoder) else (64, 48))
    graph, params = nnx.split(module)
    weights = normal(1, jax.eval_shape(module, x).shape)

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return jnp.vdot(nnx.merge(graph, params)(x), weights)

    gradient = gradient_of(params)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert float(np.mean(np.asarray(leaf) != 0)) > 0.9, jax.tree_util.keystr(path)


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, 2 * PIECE, 2 * PIECE + 3, (UNROLLED + 1) * PIECE + 3])
def test_a_batch_in_pieces_is_each_example_by_itself_in_value_and_gradient(size):
    x, weights = normal(0, (size, 5)), normal(1, (5, 3))

    def network(weights, x):
        assert not use_patches("auto") or len(x) <= PIECE
        return jnp.tanh(x @ weights)

    def in_one(weights):
        return jnp.tanh(x @ weights)

    def pieces(weights):
        return in_pieces(partial(network, weights), x)

    cotangent = normal(2, (size, 3))
    value, pull = jax.vjp(jax.jit(pieces), weights)
    expected, expected_pull = jax.vjp(in_one, weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pull(cotangent)[0], expected_pull(cotangent)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_images_of_a_large_batch_keep_their_order(kind):
    if kind == "encoder":
        network, x = ConvEncoder((8, 8), 3, rngs=nnx.Rngs(0)), normal(0, (PIECE + 5, 8, 8))
    else:
        network, x = ConvDecoder(3, (8, 8), rngs=nnx.Rngs(0)), normal(0, (PIECE + 5, 3))
    apply = jax.jit(network)
    np.testing.assert_allclose(apply(x)[-7:], apply(x[-7:]), rtol=1e-4, atol=1e-5)


def test_image_shape_refuses_vectors():
    assert image_shape((28, 28)) == (28, 28, 1)
    assert image_shape((28, 20, 3)) == (28, 20, 3)
    with pytest.raises(
        ValueError, match=r"expected images \[h, w\] or \[h, w, c\], got examples of shape \(5,\)"
    ):
        image_shape((5,))
