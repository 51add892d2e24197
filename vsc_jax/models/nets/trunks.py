"""The bodies of encoders and decoders: fully connected of any depth, and the seed's convolution.

A trunk maps examples to features (encoder) or codes to an array of the example's shape (decoder).
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.convolution import (
    Downsample,
    Upsample,
    arranged,
    arranged_rows,
    from_arranged,
    in_pieces,
    to_arranged,
)
from vsc_jax.models.nets.initializers import he_normal, lecun_normal
from vsc_jax.models.nets.products import Linear

CONV_CHANNELS = (16, 32)
CONV_FEATURES = 64


class MLP(nnx.Module):
    """Linear layers with ReLU between them: ``[n, ...] -> [n, widths[-1]]``; the input is flattened."""

    def __init__(self, inputs: int, widths: Sequence[int], *, rngs: nnx.Rngs):
        sizes = [inputs, *widths]
        last = len(widths) - 1
        self.layers = nnx.List(
            Linear(
                sizes[i],
                sizes[i + 1],
                kernel_init=lecun_normal if i == last else he_normal,
                rngs=rngs,
            )
            for i in range(len(widths))
        )

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n features"]:
        """Features of each example."""
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
        *hidden, last = self.layers
        for layer in hidden:
            x = jax.nn.relu(layer(x))
        return last(x)


class ConvEncoder(nnx.Module):
    """The seed report's encoder: two 3 x 3 stride-2 convolutions, a full-size kernel, a linear head.

    Maps images ``[n, h, w]`` or ``[n, h, w, c]`` to ``[n, outputs]``.
    """

    def __init__(self, example_shape: tuple[int, ...], outputs: int, *, rngs: nnx.Rngs):
        height, width, channels = image_shape(example_shape)
        first, second = CONV_CHANNELS
        self.channels = channels
        self.first = Downsample(channels, first, rngs=rngs)
        self.second = Downsample(first, second, rngs=rngs)
        self.small = (math.ceil(height / 4), math.ceil(width / 4), second)
        self.full = Linear(math.prod(self.small), CONV_FEATURES, kernel_init=he_normal, rngs=rngs)
        self.head = Linear(CONV_FEATURES, outputs, kernel_init=lecun_normal, rngs=rngs)

    def __call__(self, x: Float[Array, "n ..."]) -> Float[Array, "n outputs"]:
        """Features of each image."""
        kernel, bias = _weights(self.full)
        return in_pieces(partial(self._features, arranged_rows(kernel, self.small), bias), x)

    def _features(
        self, rows: Float[Array, "hwc m"], bias: Float[Array, "1 m"], x: Float[Array, "n ..."]
    ) -> Float[Array, "n outputs"]:
        x = arranged(x.reshape(*x.shape[:3], self.channels))
        x = jax.nn.relu(self.second(jax.nn.relu(self.first(x))))
        return self.head(jax.nn.relu(from_arranged(x, rows) + bias))


class ConvDecoder(nnx.Module):
    """The mirror of :class:`ConvEncoder`: ``[n, latents] -> [n, h * w * c]``."""

    def __init__(self, latents: int, example_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        height, width, channels = image_shape(example_shape)
        first, second = CONV_CHANNELS
        self.example = (height, width, channels)
        self.head = Linear(latents, CONV_FEATURES, kernel_init=he_normal, rngs=rngs)
        self.small = (math.ceil(height / 4), math.ceil(width / 4), second)
        self.full = Linear(CONV_FEATURES, math.prod(self.small), kernel_init=he_normal, rngs=rngs)
        self.second = Upsample(second, first, rngs=rngs)
        self.first = Upsample(first, channels, rngs=rngs)

    def __call__(self, z: Float[Array, "n latents"]) -> Float[Array, "n pixels"]:
        """Pixels of each code's image, flat."""
        rows, bias = (arranged_rows(leaf.T, self.small) for leaf in _weights(self.full))
        return in_pieces(partial(self._pixels, rows, bias), z)

    def _pixels(
        self, rows: Float[Array, "hwc m"], bias: Float[Array, "hwc 1"], z: Float[Array, "n latents"]
    ) -> Float[Array, "n pixels"]:
        height, width, _ = self.example
        x = jax.nn.relu(to_arranged(jax.nn.relu(self.head(z)), rows, bias, self.small))
        x = jax.nn.relu(self.second(x))[:, : math.ceil(height / 2), : math.ceil(width / 2)]
        return arranged(self.first(x)[:, :height, :width]).reshape(z.shape[0], -1)


def _weights(layer: nnx.Linear) -> tuple[Float[Array, "k m"], Float[Array, "1 m"]]:
    assert layer.bias is not None
    return layer.kernel[...], layer.bias[...][None]


def image_shape(example_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """``(height, width, channels)`` of an image example.

    Raises:
      ValueError: if the examples are not images.
    """
    if len(example_shape) == 2:
        return (*example_shape, 1)
    if len(example_shape) == 3:
        return example_shape
    raise ValueError(f"expected images [h, w] or [h, w, c], got examples of shape {example_shape}")
