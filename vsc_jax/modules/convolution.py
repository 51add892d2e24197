"""3 x 3 convolutions of stride 2, and their transposes, as shifted sub-images and one matrix product.

XLA's convolution kernels on CPU are several times slower than its matrix product, so on CPU each
layer gathers its taps (cheap: a stride of 2 splits an image into four sub-images, and every tap is one
of them, shifted by at most one pixel) and multiplies once. Images have their batch last there,
``[c, h, w, n]``: whatever is shifted is then a long run of memory, however few the channels.
Accelerators use ``lax`` convolutions of ``[n, h, w, c]``. Both compute the same function of the same weights.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.modules.initializers import he_normal, scaled_normal
from vsc_jax.modules.products import convolution, product

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


def arranged(x: Float[Array, "n h w c"]) -> Float[Array, "..."]:
    """Images as the layers of this machine take and give them: ``[c, h, w, n]`` on CPU; its own inverse."""
    return jnp.swapaxes(x, 0, 3) if use_patches("auto") else x


def downsample(
    x: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"], method: Method = "auto"
) -> Float[Array, "n h2 w2 d"]:
    """Convolution of stride 2 with one pixel of zero padding: ``[n, ceil(h/2), ceil(w/2), out]``.

    Args:
      x: images ``[n, h, w, in]``.
      kernel: weights ``[3, 3, in, out]``.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if use_patches(method):
        return jnp.swapaxes(_downsample(jnp.swapaxes(x, 0, 3), kernel), 0, 3)
    padding = ((1, 1), (1, 1))
    return convolution(x, kernel, (2, 2), padding, dimension_numbers=_DIMENSIONS)


def upsample(
    x: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"], method: Method = "auto"
) -> Float[Array, "n h2 w2 d"]:
    """Transpose of :func:`downsample` for even sizes: ``[n, 2h, 2w, out]``.

    Args:
      x: images ``[n, h, w, in]``.
      kernel: weights ``[3, 3, in, out]``; tap k of input pixel i reaches output pixel 2 i - 1 + k.
      method: ``patches``, ``lax``, or ``auto`` for patches on CPU and lax elsewhere.
    """
    if use_patches(method):
        return jnp.swapaxes(_upsample(jnp.swapaxes(x, 0, 3), kernel), 0, 3)
    return convolution(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        ((1, 2), (1, 2)),
        lhs_dilation=(2, 2),
        dimension_numbers=_DIMENSIONS,
    )


def _downsample(x: Float[Array, "c h w n"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "d h2 w2 n"]:
    c, h, w, n = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = x.reshape(c, (h + 1) // 2, 2, (w + 1) // 2, 2, n)
    rows = [later(x[:, :, 1], 1), x[:, :, 0], x[:, :, 1]]
    taps = [tap for row in rows for tap in (later(row[:, :, :, 1], 2), row[:, :, :, 0], row[:, :, :, 1])]
    patches = jnp.concatenate(taps, axis=0).reshape(9 * c, -1)
    return product(kernel.reshape(9 * c, -1).T, patches).reshape(-1, *x.shape[1:4:2], n)


def _upsample(x: Float[Array, "c h w n"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "d h2 w2 n"]:
    c, h, w, n = x.shape
    below = earlier(x, 1)
    sources = jnp.concatenate([x, earlier(x, 2), below, earlier(below, 2)], axis=0).reshape(4 * c, -1)
    # Even output rows see one tap (1) of their own input row; odd ones tap 2 of it and tap 0 of the next.
    own, following = [1, 2], [None, 0]
    zero = jnp.zeros_like(kernel[0, 0])
    blocks = [
        [zero if row is None or column is None else kernel[row, column] for row in rows for column in columns]
        for rows in (own, following)
        for columns in (own, following)
    ]
    weights = jnp.concatenate([jnp.concatenate(block, axis=-1) for block in blocks], axis=0)
    phases = product(weights.T, sources).reshape(2, 2, -1, h, w, n)
    return phases.transpose(2, 3, 0, 4, 1, 5).reshape(-1, 2 * h, 2 * w, n)


class Downsample(nnx.Module):
    """:func:`downsample` with its weights and a bias, of images as :func:`arranged`."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_normal(rngs.params(), (3, 3, channels_in, channels_out)))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Half-size images."""
        if use_patches("auto"):
            return _downsample(x, self.kernel[...]) + self.bias[...][:, None, None, None]
        return downsample(x, self.kernel[...]) + self.bias[...][None, None, None]


class Upsample(nnx.Module):
    """:func:`upsample` with its weights and a bias, of images as :func:`arranged`."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        # On average 9 / 4 taps, not 9, reach an output pixel: four times He's variance.
        shape = (3, 3, channels_in, channels_out)
        self.kernel = nnx.Param(scaled_normal(rngs.params(), shape, gain=2.0 * 4))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Double-size images."""
        if use_patches("auto"):
            return _upsample(x, self.kernel[...]) + self.bias[...][:, None, None, None]
        return upsample(x, self.kernel[...]) + self.bias[...][None, None, None]
