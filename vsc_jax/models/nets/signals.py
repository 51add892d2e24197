"""Networks for signals ``[n, time, channels]``: convolutions over time with 3 taps and stride 2.

As in :mod:`vsc_jax.models.nets.convolution`, on CPU a layer gathers its taps, which are shifted sub-signals,
and multiplies once; accelerators use ``lax`` convolutions of the same weights.
"""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.convolution import Method, earlier, later, use_patches
from vsc_jax.models.nets.initializers import he_normal, lecun_normal, scaled_normal
from vsc_jax.models.nets.products import Linear, convolution, product

SIGNAL_CHANNELS = (32, 64, 64)
SIGNAL_FEATURES = 128

_DIMENSIONS = ("NWC", "WIO", "NWC")


def halve(
    x: Float[Array, "n t c"], kernel: Float[Array, "3 c d"], method: Method = "auto"
) -> Float[Array, "n t2 d"]:
    """Convolution of stride 2 with one zero before and after: ``[n, ceil(t/2), out]``.

    Args:
      x: signals ``[n, t, in]``.
      kernel: weights ``[3, in, out]``; output step i sees the input steps 2 i - 1, 2 i and 2 i + 1.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if not use_patches(method):
        return convolution(x, kernel, (2,), ((1, 1),), dimension_numbers=_DIMENSIONS)
    n, steps, channels = x.shape
    x = jnp.pad(x, ((0, 0), (0, steps % 2), (0, 0))).reshape(n, (steps + 1) // 2, 2, channels)
    even, odd = x[:, :, 0], x[:, :, 1]
    taps = jnp.concatenate([later(odd, 1), even, odd], axis=-1)
    return product(taps, kernel.reshape(3 * channels, -1))


def double(
    x: Float[Array, "n t c"], kernel: Float[Array, "3 c d"], method: Method = "auto"
) -> Float[Array, "n t2 d"]:
    """Transpose of :func:`halve` for an even number of steps: ``[n, 2t, out]``.

    Args:
      x: signals ``[n, t, in]``.
      kernel: weights ``[3, in, out]``; tap k of input step i reaches output step 2 i - 1 + k.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if not use_patches(method):
        return convolution(x, kernel[::-1], (1,), ((1, 2),), lhs_dilation=(2,), dimension_numbers=_DIMENSIONS)
    n, steps, _ = x.shape
    # Even output steps see tap 1 of their own input step; odd ones tap 2 of it and tap 0 of the next.
    own = jnp.concatenate([kernel[1], kernel[2]], axis=-1)
    following = jnp.concatenate([jnp.zeros_like(kernel[0]), kernel[0]], axis=-1)
    sources = jnp.concatenate([x, earlier(x, 1)], axis=-1)
    weights = jnp.concatenate([own, following], axis=0)
    return product(sources, weights).reshape(n, 2 * steps, weights.shape[1] // 2)


class Halve(nnx.Module):
    """:func:`halve` with its weights and a bias."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_normal(rngs.params(), (3, channels_in, channels_out)))
        self.bias = nnx.Param(jnp.zeros(channels_out, jnp.float32))

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n t2 d"]:
        """Signals of half the steps."""
        return halve(x, self.kernel[...]) + self.bias[...][None, None]


class Double(nnx.Module):
    """:func:`double` with its weights and a bias."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        # On average 3 / 2 taps, not 3, reach an output step: twice He's variance.
        self.kernel = nnx.Param(scaled_normal(rngs.params(), (3, channels_in, channels_out), gain=2.0 * 2))
        self.bias = nnx.Param(jnp.zeros(channels_out, jnp.float32))

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n t2 d"]:
        """Signals of twice the steps."""
        return double(x, self.kernel[...]) + self.bias[...][None, None]


class SignalEncoder(nnx.Module):
    """Three :class:`Halve`, a fully connected layer and a linear head: ``[n, t, c] -> [n, outputs]``."""

    def __init__(self, example_shape: tuple[int, ...], outputs: int, *, rngs: nnx.Rngs):
        steps, channels = example_shape
        sizes = (channels, *SIGNAL_CHANNELS)
        self.layers = nnx.List(Halve(*pair, rngs=rngs) for pair in pairwise(sizes))
        full = _lengths(steps)[-1] * SIGNAL_CHANNELS[-1]
        self.full = Linear(full, SIGNAL_FEATURES, kernel_init=he_normal, rngs=rngs)
        self.head = Linear(SIGNAL_FEATURES, outputs, kernel_init=lecun_normal, rngs=rngs)

    def __call__(self, x: Float[Array, "n t c"]) -> Float[Array, "n outputs"]:
        """Features of each signal."""
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return self.head(jax.nn.relu(self.full(x.reshape(x.shape[0], math.prod(x.shape[1:])))))


class SignalDecoder(nnx.Module):
    """The mirror of :class:`SignalEncoder`: ``[n, latents] -> [n, t * c]``."""

    def __init__(self, latents: int, example_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        steps, channels = example_shape
        self.lengths = tuple(reversed(_lengths(steps)))
        sizes = (*reversed(SIGNAL_CHANNELS), channels)
        self.head = Linear(latents, SIGNAL_FEATURES, kernel_init=he_normal, rngs=rngs)
        self.full = Linear(SIGNAL_FEATURES, self.lengths[0] * sizes[0], kernel_init=he_normal, rngs=rngs)
        self.layers = nnx.List(Double(*pair, rngs=rngs) for pair in pairwise(sizes))

    def __call__(self, z: Float[Array, "n latents"]) -> Float[Array, "n values"]:
        """Values of each code's signal, flat: the channels of a step side by side."""
        x = self.full(jax.nn.relu(self.head(z))).reshape(z.shape[0], self.lengths[0], SIGNAL_CHANNELS[-1])
        for layer, steps in zip(self.layers, self.lengths[1:], strict=True):
            x = layer(jax.nn.relu(x))[:, :steps]
        return x.reshape(z.shape[0], math.prod(x.shape[1:]))


def _lengths(steps: int) -> tuple[int, ...]:
    """Number of steps before each layer of the encoder and after the last."""
    return tuple(math.ceil(steps / 2**i) for i in range(len(SIGNAL_CHANNELS) + 1))
