"""3 x 3 convolutions of stride 2, and their transposes, as shifted sub-images and one matrix product.

XLA's convolution kernels on CPU are several times slower than its matrix product, so on CPU each
layer gathers its taps (cheap: a stride of 2 splits an image into four sub-images, and every tap is one
of them, shifted by at most one pixel) and multiplies once. Accelerators use ``lax`` convolutions. Both
compute the same function of the same weights.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.modules.initializers import he_normal, scaled_normal

Method = Literal["auto", "patches", "lax"]

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def use_patches(method: Method) -> bool:
    """Whether a convolution is done as patches: asked for, or by default on CPU."""
    return jax.default_backend() == "cpu" if method == "auto" else method == "patches"


def later(x: Array, axis: int) -> Array:
    """Shift by one towards higher indices: entry i becomes entry i + 1, zeros come in."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (1, 0)
    return jax.lax.slice_in_dim(jnp.pad(x, pad), 0, x.shape[axis], axis=axis)


def earlier(x: Array, axis: int) -> Array:
    """Shift by one towards lower indices: entry i becomes entry i - 1, zeros come in."""
    pad = [(0, 0)] * x.ndim
    pad[axis] = (0, 1)
    return jax.lax.slice_in_dim(jnp.pad(x, pad), 1, x.shape[axis] + 1, axis=axis)


def downsample(
    x: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"], method: Method = "auto"
) -> Float[Array, "n h2 w2 d"]:
    """Convolution of stride 2 with one pixel of zero padding: ``[n, ceil(h/2), ceil(w/2), out]``.

    Args:
      x: images ``[n, h, w, in]``.
      kernel: weights ``[3, 3, in, out]``.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if not use_patches(method):
        padding = ((1, 1), (1, 1))
        return jax.lax.conv_general_dilated(x, kernel, (2, 2), padding, dimension_numbers=_DIMENSIONS)
    n, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = x.reshape(n, (h + 1) // 2, 2, (w + 1) // 2, 2, c)
    rows = [later(x[:, :, 1], 1), x[:, :, 0], x[:, :, 1]]
    taps = [tap for row in rows for tap in (later(row[:, :, :, 1], 2), row[:, :, :, 0], row[:, :, :, 1])]
    return jnp.concatenate(taps, axis=-1) @ kernel.reshape(9 * c, -1)


def upsample(
    x: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"], method: Method = "auto"
) -> Float[Array, "n h2 w2 d"]:
    """Transpose of :func:`downsample` for even sizes: ``[n, 2h, 2w, out]``.

    Args:
      x: images ``[n, h, w, in]``.
      kernel: weights ``[3, 3, in, out]``; tap k of input pixel i reaches output pixel 2 i - 1 + k.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if not use_patches(method):
        return jax.lax.conv_general_dilated(
            x,
            kernel[::-1, ::-1],
            (1, 1),
            ((1, 2), (1, 2)),
            lhs_dilation=(2, 2),
            dimension_numbers=_DIMENSIONS,
        )
    n, h, w, _ = x.shape
    below = earlier(x, 1)
    sources = jnp.concatenate([x, earlier(x, 2), below, earlier(below, 2)], axis=-1)
    # Even output rows see one tap (1) of their own input row; odd ones tap 2 of it and tap 0 of the next.
    own, following = [1, 2], [None, 0]
    zero = jnp.zeros_like(kernel[0, 0])
    blocks = [
        [zero if row is None or column is None else kernel[row, column] for row in rows for column in columns]
        for rows in (own, following)
        for columns in (own, following)
    ]
    weights = jnp.concatenate([jnp.concatenate(block, axis=-1) for block in blocks], axis=0)
    phases = (sources @ weights).reshape(n, h, w, 2, 2, -1)
    return phases.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, -1)


class Downsample(nnx.Module):
    """:func:`downsample` with its weights and a bias."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_normal(rngs.params(), (3, 3, channels_in, channels_out)))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
        """Half-size images."""
        return downsample(x, self.kernel[...]) + self.bias[...][None, None, None]


class Upsample(nnx.Module):
    """:func:`upsample` with its weights and a bias."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        # On average 9 / 4 taps, not 9, reach an output pixel: four times He's variance.
        shape = (3, 3, channels_in, channels_out)
        self.kernel = nnx.Param(scaled_normal(rngs.params(), shape, gain=2.0 * 4))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 d"]:
        """Double-size images."""
        return upsample(x, self.kernel[...]) + self.bias[...][None, None, None]
