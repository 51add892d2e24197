"""The bodies of encoders and decoders: fully connected, gated, and convolutions over images and signals.

An encoder maps examples to features, a decoder codes to an array of the example's size.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.convolution import Conv, ConvTranspose, FullConv, FullConvTranspose, chunked
from vsc_jax.models.nets.initializers import he_normal, lecun_normal
from vsc_jax.models.nets.products import Linear

CONV_CHANNELS = (16, 32)
CONV_FEATURES = 64
SIGNAL_CHANNELS = (32, 64, 64)
SIGNAL_FEATURES = 128
GATED_LOG_VAR_RANGE = (-6.0, 2.0)


class MLP(nnx.Module):
    """Linear layers with ReLU between them: ``[n, ...] -> [n, widths[-1]]``; the input is flattened."""

    def __init__(self, inputs: int, widths: Sequence[int], *, rngs: nnx.Rngs):
        initializers = [he_normal] * (len(widths) - 1) + [lecun_normal]
        self.layers = nnx.List(
            Linear(*pair, kernel_init=init, rngs=rngs)
            for pair, init in zip(pairwise([inputs, *widths]), initializers, strict=True)
        )

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n features"]:
        """Features of each example."""
        *hidden, last = self.layers
        x = _flat(x)
        for layer in hidden:
            x = jax.nn.relu(layer(x))
        return last(x)


class Gated(nnx.Module):
    """A layer ``h(x) * sigmoid(g(x))`` of two linear maps: ``[n, inputs] -> [n, outputs]``.

    Dauphin, Fan, Auli and Grangier, *Language Modeling with Gated Convolutional Networks*, ICML 2017.
    """

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.value = Linear(inputs, outputs, kernel_init=he_normal, rngs=rngs)
        self.gate = Linear(inputs, outputs, kernel_init=he_normal, rngs=rngs)

    def __call__(self, x: Float[Array, "n inputs"]) -> Float[Array, "n outputs"]:
        """Features of each example."""
        return self.value(x) * jax.nn.sigmoid(self.gate(x))


class GatedMLP(nnx.Module):
    """:class:`Gated` layers, the last one linear: ``[n, ...] -> [n, widths[-1]]``; the input is flattened.

    All kernels start with variance ``2 / fan_in``, that of the last layer, too: the networks of Tomczak and
    Welling, *VAE with a VampPrior*, AISTATS 2018.
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, rngs: nnx.Rngs):
        *hidden, last = pairwise([inputs, *widths])
        self.layers = nnx.List(Gated(*pair, rngs=rngs) for pair in hidden)
        self.last = Linear(*last, kernel_init=he_normal, rngs=rngs)

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n features"]:
        """Features of each example."""
        x = _flat(x)
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


class GatedEncoder(GatedMLP):
    """A :class:`GatedMLP` whose second outputs, the code's log-variances, are cut off at -6 and 2.

    Its outputs are parts of ``latents`` each; a single part has no log-variances.
    """

    def __init__(self, inputs: int, widths: Sequence[int], latents: int, *, rngs: nnx.Rngs):
        super().__init__(inputs, widths, rngs=rngs)
        self.parts = widths[-1] // latents

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n features"]:
        """Features of each example."""
        parts = jnp.split(super().__call__(x), self.parts, axis=-1)
        parts[1:2] = [jnp.clip(part, *GATED_LOG_VAR_RANGE) for part in parts[1:2]]
        return jnp.concatenate(parts, axis=-1)


class ConvEncoder(nnx.Module):
    """Two convolutions, a full-size kernel, a linear head: ``[n, h, w, c] -> [n, outputs]``.

    Images of one channel may be ``[n, h, w]``.
    """

    def __init__(self, example_shape: tuple[int, ...], outputs: int, *, rngs: nnx.Rngs):
        self.shape = image_shape(example_shape)
        first, second = CONV_CHANNELS
        self.first = Conv(self.shape[-1], first, (3, 3), rngs=rngs)
        self.second = Conv(first, second, (3, 3), rngs=rngs)
        small = (*_after(2, self.shape[:-1]), second)
        self.full = FullConv(small, CONV_FEATURES, rngs=rngs)
        self.head = Linear(CONV_FEATURES, outputs, kernel_init=lecun_normal, rngs=rngs)

    @chunked
    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n outputs"]:
        """Features of each image."""
        x = jnp.swapaxes(x.reshape(x.shape[0], *self.shape), 0, -1)
        x = jax.nn.relu(self.first(x))
        x = jax.nn.relu(self.second(x))
        return self.head(jax.nn.relu(self.full(x)))


class ConvDecoder(nnx.Module):
    """The mirror of :class:`ConvEncoder`: ``[n, latents] -> [n, h * w * c]``."""

    def __init__(self, latents: int, example_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        self.shape = image_shape(example_shape)
        first, second = CONV_CHANNELS
        self.head = Linear(latents, CONV_FEATURES, kernel_init=he_normal, rngs=rngs)
        small = (*_after(2, self.shape[:-1]), second)
        self.full = FullConvTranspose(CONV_FEATURES, small, rngs=rngs)
        self.second = ConvTranspose(second, first, (3, 3), rngs=rngs)
        self.first = ConvTranspose(first, self.shape[-1], (3, 3), rngs=rngs)

    @chunked
    def __call__(self, z: Float[Array, "n latents"]) -> Float[Array, "n pixels"]:
        """Pixels of each code's image, flat."""
        (height, width), (half_height, half_width) = self.shape[:-1], _after(1, self.shape[:-1])
        x = jax.nn.relu(self.full(jax.nn.relu(self.head(z))))
        x = jax.nn.relu(self.second(x))[:, :half_height, :half_width]
        x = self.first(x)[:, :height, :width]
        return _flat(jnp.swapaxes(x, 0, -1))


class SignalEncoder(nnx.Module):
    """Three convolutions over time, a full-size kernel, a linear head: ``[n, t, c] -> [n, outputs]``."""

    def __init__(self, example_shape: tuple[int, ...], outputs: int, *, rngs: nnx.Rngs):
        steps, channels = example_shape
        sizes = (channels, *SIGNAL_CHANNELS)
        self.layers = nnx.List(Conv(*pair, (3,), rngs=rngs) for pair in pairwise(sizes))
        small = (*_after(len(self.layers), (steps,)), sizes[-1])
        self.full = FullConv(small, SIGNAL_FEATURES, rngs=rngs)
        self.head = Linear(SIGNAL_FEATURES, outputs, kernel_init=lecun_normal, rngs=rngs)

    @chunked
    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n outputs"]:
        """Features of each signal."""
        x = jnp.swapaxes(x, 0, -1)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return self.head(jax.nn.relu(self.full(x)))


class SignalDecoder(nnx.Module):
    """The mirror of :class:`SignalEncoder`: ``[n, latents] -> [n, t * c]``."""

    def __init__(self, latents: int, example_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        self.steps, channels = example_shape
        sizes = (*reversed(SIGNAL_CHANNELS), channels)
        self.head = Linear(latents, SIGNAL_FEATURES, kernel_init=he_normal, rngs=rngs)
        small = (*_after(len(SIGNAL_CHANNELS), (self.steps,)), sizes[0])
        self.full = FullConvTranspose(SIGNAL_FEATURES, small, rngs=rngs)
        self.layers = nnx.List(ConvTranspose(*pair, (3,), rngs=rngs) for pair in pairwise(sizes))

    @chunked
    def __call__(self, z: Float[Array, "n latents"]) -> Float[Array, "n values"]:
        """Values of each code's signal, flat."""
        x = self.full(jax.nn.relu(self.head(z)))
        for left, layer in zip(range(len(self.layers))[::-1], self.layers, strict=True):
            (steps,) = _after(left, (self.steps,))
            x = layer(jax.nn.relu(x))[:, :steps]
        return _flat(jnp.swapaxes(x, 0, -1))


def image_shape(example_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """``(height, width, channels)`` of images ``[h, w]`` or ``[h, w, c]``."""
    height, width, *channels = example_shape
    return height, width, channels[0] if channels else 1


def _flat(x: Float[Array, "n ..."]) -> Float[Array, "n values"]:
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def _after(layers: int, sides: Sequence[int]) -> tuple[int, ...]:
    """Sides after so many convolutions."""
    return tuple(math.ceil(side / 2**layers) for side in sides)
