"""Convolutions as patches: the same function, and the same gradient, as those of ``lax``."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets.convolution import Downsample, Upsample, arranged, downsample, upsample

SIZES = [(28, 28), (32, 32), (5, 8), (1, 1)]
CHANNELS = [(1, 16), (16, 2), (3, 5), (2, 1)]


def normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


@pytest.mark.parametrize("function", [downsample, upsample])
@pytest.mark.parametrize(("size", "channels"), [*zip(SIZES, CHANNELS, strict=True)])
def test_patches_equal_lax_in_value_and_gradient(function, size, channels):
    x, kernel = normal(0, (2, *size, channels[0])), normal(1, (3, 3, *channels))
    cotangent = normal(2, jax.eval_shape(function, x, kernel).shape)

    @partial(jax.jit, static_argnums=2)
    def value_and_gradients(x, kernel, method):
        value, pull = jax.vjp(lambda x, kernel: function(x, kernel, method), x, kernel)
        return value, *pull(cotangent)

    both = (value_and_gradients(x, kernel, method) for method in ("patches", "lax"))
    for ours, theirs in zip(*both, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.max(np.abs(theirs)))


def test_downsample_halves_and_rounds_up():
    for height, width in SIZES:
        x, kernel = jnp.zeros((2, height, width, 3)), jnp.zeros((3, 3, 3, 4))
        assert jax.eval_shape(downsample, x, kernel).shape == (2, -(-height // 2), -(-width // 2), 4)


def test_downsample_of_a_known_image():
    # Output pixel i sees the inputs 2 i - 1, 2 i, 2 i + 1, and zeros outside.
    x = np.arange(1, 6, dtype=np.float32).reshape(1, 1, 5, 1)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, :, 0, 0] = [100, 10, 1]
    assert np.ravel(jax.jit(downsample)(x, kernel)).tolist() == [12.0, 234.0, 450.0]


@pytest.mark.parametrize("method", ["patches", "lax"])
@pytest.mark.parametrize("size", [(28, 28), (4, 6)])
def test_upsample_is_the_transpose_of_downsample(method, size):
    large, kernel = normal(0, (2, *size, 3)), normal(1, (3, 3, 3, 5))
    small = normal(2, (2, size[0] // 2, size[1] // 2, 5))

    @jax.jit
    def products(large, small, kernel):
        there = jnp.vdot(downsample(large, kernel, method), small)
        back = jnp.vdot(large, upsample(small, kernel.transpose(0, 1, 3, 2), method))
        return there, back

    there, back = products(large, small, kernel)
    np.testing.assert_allclose(there, back, rtol=1e-4)


@pytest.mark.parametrize("function", [downsample, upsample])
@pytest.mark.parametrize(("backend", "convolves"), [("cpu", False), ("gpu", True), ("tpu", True)])
def test_patches_are_used_on_cpu_alone(function, backend, convolves, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    program = jax.make_jaxpr(lambda *args: function(*args))(jnp.zeros((1, 4, 4, 1)), jnp.zeros((3, 3, 1, 2)))
    assert ("conv_general_dilated" in str(program)) is convolves


@pytest.mark.parametrize(("layer", "shape"), [(Downsample, (2, 4, 3, 8)), (Upsample, (2, 16, 12, 8))])
def test_layers_add_one_bias_a_channel(layer, shape):
    module = layer(3, 8, rngs=nnx.Rngs(0))
    module.bias[...] = jnp.arange(8.0)
    out = arranged(jax.jit(module)(arranged(jnp.zeros((2, 8, 6, 3)))))
    assert out.shape == shape
    np.testing.assert_array_equal(out, np.broadcast_to(np.arange(8), shape))


@pytest.mark.parametrize("layer", [Downsample, Upsample])
def test_layers_double_the_mean_square_for_the_relu_that_follows(layer):
    module = layer(32, 64, rngs=nnx.Rngs(0))
    out = np.asarray(arranged(jax.jit(module)(arranged(normal(1, (4, 16, 16, 32))))))[:, 1:-1, 1:-1]
    assert 1.9 < np.mean(np.square(out)) < 2.1
