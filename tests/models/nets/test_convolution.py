"""Convolutions as patches: the same function, and the same gradient, as those of ``lax``."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets.convolution import (
    CHUNK,
    UNROLLED,
    Conv,
    ConvTranspose,
    FullConv,
    FullConvTranspose,
    chunked,
    conv,
    conv_transpose,
    on_cpu,
)

SIZES = [((28, 28), 1, 16), ((5, 8), 3, 5), ((1, 1), 2, 1), ((128,), 9, 32), ((5,), 1, 2), ((1,), 3, 4)]


def normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


@pytest.mark.parametrize("function", [conv, conv_transpose])
@pytest.mark.parametrize(("sides", "inner", "outer"), SIZES)
def test_patches_equal_lax_in_value_and_gradient(function, sides, inner, outer):
    x, kernel = normal(0, (inner, *sides, 2)), normal(1, (*(3 for _ in sides), inner, outer))
    after = [-(-side // 2) if function is conv else 2 * side for side in sides]
    cotangent = normal(2, (outer, *after, 2))

    @partial(jax.jit, static_argnums=2)
    def value_and_gradients(x, kernel, method):
        value, pull = jax.vjp(lambda x, kernel: function(x, kernel, method), x, kernel)
        return value, *pull(cotangent)

    both = (value_and_gradients(x, kernel, method) for method in ("patches", "lax"))
    for ours, theirs in zip(*both, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.max(np.abs(theirs)))


def test_convolution_of_a_known_signal_and_of_the_image_of_one_row():
    # Output i sees the inputs 2 i - 1, 2 i, 2 i + 1, and zeros outside.
    x, kernel = jnp.arange(1.0, 6), jnp.array([100.0, 10, 1]).reshape(3, 1, 1)
    in_a_row = jnp.zeros((3, 3, 1, 1)).at[1].set(kernel)
    for found in (conv(x.reshape(1, 5, 1), kernel), conv(x.reshape(1, 1, 5, 1), in_a_row)):
        assert np.ravel(found).tolist() == [12.0, 234.0, 450.0]


@pytest.mark.parametrize("method", ["patches", "lax"])
@pytest.mark.parametrize("sides", [(28, 28), (4, 6), (12,)])
def test_each_is_the_transpose_of_the_other(method, sides):
    large, small = normal(0, (3, *sides, 2)), normal(2, (5, *(side // 2 for side in sides), 2))
    kernel = normal(1, (*(3 for _ in sides), 3, 5))

    @jax.jit
    def products(large, small, kernel):
        there = jnp.vdot(conv(large, kernel, method), small)
        return there, jnp.vdot(large, conv_transpose(small, jnp.swapaxes(kernel, -1, -2), method))

    np.testing.assert_allclose(*products(large, small, kernel), rtol=1e-4)


@pytest.mark.parametrize("function", [conv, conv_transpose])
@pytest.mark.parametrize(("backend", "convolves"), [("cpu", False), ("gpu", True), ("tpu", True)])
def test_patches_are_used_on_cpu_alone(function, backend, convolves, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    program = jax.make_jaxpr(lambda *args: function(*args))(jnp.zeros((1, 4, 4, 1)), jnp.zeros((3, 3, 1, 2)))
    assert ("conv_general_dilated" in str(program)) is convolves


@pytest.mark.parametrize("sides", [(16, 16), (64,)])
@pytest.mark.parametrize("layer", [Conv, ConvTranspose])
def test_layers_double_the_mean_square_for_the_relu_that_follows_and_add_one_bias_a_channel(layer, sides):
    module = layer(32, 64, tuple(3 for _ in sides), rngs=nnx.Rngs(0))
    out = np.asarray(jax.jit(module)(normal(1, (32, *sides, 16))))[
        (slice(None), *(slice(1, -1),) * len(sides))
    ]
    assert 1.85 < np.mean(np.square(out)) < 2.15
    module.bias[...] = jnp.arange(64.0)
    out = np.asarray(jax.jit(module)(jnp.zeros((32, *sides, 2))))
    np.testing.assert_array_equal(
        out, np.broadcast_to(np.arange(64).reshape(64, *(1 for _ in sides), 1), out.shape)
    )


@pytest.mark.parametrize("shape", [(3, 2, 4), (5, 3)])
def test_a_kernel_of_full_size_is_a_linear_layer_of_the_flat_image(shape):
    x = np.asarray(normal(0, (6, *shape)))
    down, up = FullConv(shape, 7, rngs=nnx.Rngs(0)), FullConvTranspose(7, shape, rngs=nnx.Rngs(1))
    down.bias[...], up.bias[...] = normal(1, down.bias.shape), normal(2, up.bias.shape)
    features = np.asarray(down(jnp.asarray(np.swapaxes(x, 0, -1))))
    np.testing.assert_allclose(
        features,
        x.reshape(6, -1) @ np.asarray(down.kernel[...]) + np.asarray(down.bias[...]),
        rtol=1e-4,
        atol=1e-5,
    )
    images = np.swapaxes(up(jnp.asarray(features)), 0, -1)
    flat = features @ np.asarray(up.kernel[...]) + np.asarray(up.bias[...])
    np.testing.assert_allclose(images, flat.reshape(6, *shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [0, CHUNK - 1, CHUNK, 2 * CHUNK + 3, (UNROLLED + 1) * CHUNK + 3])
def test_a_batch_in_chunks_is_each_example_by_itself_in_value_and_gradient(size):
    x, weights = normal(0, (size, 5)), normal(1, (5, 3))

    @chunked
    def network(weights, x):
        assert not on_cpu() or len(x) <= CHUNK
        return jnp.tanh(x @ weights)

    cotangent = normal(2, (size, 3))
    value, pull = jax.vjp(jax.jit(lambda weights: network(weights, x)), weights)
    expected, expected_pull = jax.vjp(lambda weights: jnp.tanh(x @ weights), weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pull(cotangent)[0], expected_pull(cotangent)[0], rtol=1e-4, atol=1e-5)
