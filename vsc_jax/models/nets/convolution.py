"""3 x 3 convolutions of stride 2, and their transposes, as shifted sub-images and one matrix product.

XLA's convolution kernels on CPU are several times slower than its matrix product, so on CPU each
layer gathers its taps (cheap: a stride of 2 splits an image into four sub-images, and every tap is one
of them, shifted by at most one pixel) and multiplies once. Images have their batch last there,
``[c, h, w, n]``: whatever is shifted is then a long run of memory, however few the channels.
Accelerators use ``lax`` convolutions of ``[n, h, w, c]``. Both compute the same function of the same weights.

On a CPU most of a layer's time goes into memory, not arithmetic. So a network takes a batch in pieces whose
activations stay in a core's cache, and nothing as large as the taps is kept for the backward pass.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.initializers import he_normal, scaled_normal
from vsc_jax.models.nets.products import convolution, dot_general, product

Method = Literal["auto", "patches", "lax"]

PIECE = 64
"""Examples that a convolutional network on a CPU takes at once."""

UNROLLED = 4
"""Up to so many pieces are independent of each other in the program, so that a second core takes some."""

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


def arranged_rows(matrix: Float[Array, "hwc m"], shape: tuple[int, int, int]) -> Float[Array, "hwc m"]:
    """A matrix with a row for each entry of an image ``(h, w, c)``, in the order of the :func:`arranged`."""
    if not use_patches("auto"):
        return matrix
    return jnp.moveaxis(matrix.reshape(*shape, -1), 2, 0).reshape(matrix.shape)


def from_arranged(x: Float[Array, "..."], rows: Float[Array, "hwc m"]) -> Float[Array, "n m"]:
    """Images as :func:`arranged` times the matrix of :func:`arranged_rows`."""
    if use_patches("auto"):
        return dot_general(x.reshape(len(rows), -1), rows, (((0,), (0,)), ((), ())))
    return product(x.reshape(-1, len(rows)), rows)


def to_arranged(
    features: Float[Array, "n m"],
    rows: Float[Array, "hwc m"],
    bias: Float[Array, "hwc 1"],
    shape: tuple[int, int, int],
) -> Float[Array, "..."]:
    """Images ``(h, w, c)`` as :func:`arranged`: features times the transpose of ``rows``, and ``bias``."""
    h, w, c = shape
    if use_patches("auto"):
        return (dot_general(rows, features, (((1,), (1,)), ((), ()))) + bias).reshape(c, h, w, -1)
    return (product(features, rows.T) + bias.T).reshape(-1, h, w, c)


def in_pieces(
    network: Callable[[Float[Array, "piece ..."]], Float[Array, "piece ..."]], x: Float[Array, "n ..."]
) -> Float[Array, "n ..."]:
    """``network(x)``, on CPU :data:`PIECE` examples at a time, for a network that takes each by itself."""
    n = x.shape[0]
    if isinstance(n, int) and n == 0:  # no size can be told from no values
        return network(jnp.zeros((1, *x.shape[1:]), x.dtype))[:0]
    # An exported program is for any number of examples: its n is a symbol.
    if not use_patches("auto") or not isinstance(n, int) or n <= PIECE:
        return network(x)
    count = n // PIECE
    # Every count-th example: what devices share is then still the batch, of each piece.
    whole, rest = x[: count * PIECE], x[count * PIECE :]
    pieces = jnp.swapaxes(whole.reshape(PIECE, count, *x.shape[1:]), 0, 1)
    y = jnp.stack([network(piece) for piece in pieces]) if count <= UNROLLED else jax.lax.map(network, pieces)
    y = jnp.swapaxes(y, 0, 1).reshape(count * PIECE, *y.shape[2:])
    return y if n == count * PIECE else jnp.concatenate([y, network(rest)])


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


@jax.custom_vjp
def _downsample(x: Float[Array, "c h w n"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "d h2 w2 n"]:
    """:func:`downsample` by its taps; in the backward pass they are gathered anew, not kept."""
    _, h, w, n = x.shape
    return product(_rows(kernel).T, _taps(x)).reshape(-1, (h + 1) // 2, (w + 1) // 2, n)


@jax.custom_vjp
def _upsample(x: Float[Array, "c h w n"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "d h2 w2 n"]:
    """:func:`upsample`: what every tap gives to its neighbours, added where it falls."""
    c, h, w, n = x.shape
    given = product(_rows(jnp.swapaxes(kernel, 2, 3)), x.reshape(c, -1))
    large = jax.ShapeDtypeStruct((kernel.shape[3], 2 * h, 2 * w, n), given.dtype)
    (spread,) = jax.linear_transpose(_taps, large)(given)
    return spread


def _taps(x: Float[Array, "c h w n"]) -> Float[Array, "taps positions"]:
    """For every output pixel i of a downsampling the inputs 2 i - 1, 2 i and 2 i + 1 of both axes."""
    c, h, w, n = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = x.reshape(c, (h + 1) // 2, 2, (w + 1) // 2, 2, n)
    rows = [later(x[:, :, 1], 1), x[:, :, 0], x[:, :, 1]]
    taps = [tap for row in rows for tap in (later(row[:, :, :, 1], 2), row[:, :, :, 0], row[:, :, :, 1])]
    return jnp.concatenate(taps, axis=0).reshape(9 * c, -1)


def _rows(kernel: Float[Array, "3 3 c d"]) -> Float[Array, "rows d"]:
    return kernel.reshape(-1, kernel.shape[-1])


# Each is the other's transpose: the gradient of an input is the other layer, a kernel's is one more product.
def _downsample_back(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = operands
    _, h, w, _ = x.shape
    of_kernel = product(_taps(x), gradient.reshape(len(gradient), -1).T)
    return _upsample(gradient, jnp.swapaxes(kernel, 2, 3))[:, :h, :w], of_kernel.reshape(kernel.shape)


def _upsample_back(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = operands
    transposed, taps = jnp.swapaxes(kernel, 2, 3), _taps(gradient)
    of_x = product(_rows(transposed).T, taps)
    of_transposed = product(taps, x.reshape(len(x), -1).T).reshape(transposed.shape)
    return of_x.reshape(x.shape), jnp.swapaxes(of_transposed, 2, 3)


_downsample.defvjp(lambda x, kernel: (_downsample(x, kernel), (x, kernel)), _downsample_back)
_upsample.defvjp(lambda x, kernel: (_upsample(x, kernel), (x, kernel)), _upsample_back)


class Downsample(nnx.Module):
    """:func:`downsample` with its weights and a bias, of images as :func:`arranged`."""

    def __init__(self, channels_in: int, channels_out: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_normal(rngs.params(), (3, 3, channels_in, channels_out)))
        self.bias = nnx.Param(jnp.zeros(channels_out, jnp.float32))

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
        self.bias = nnx.Param(jnp.zeros(channels_out, jnp.float32))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Double-size images."""
        if use_patches("auto"):
            return _upsample(x, self.kernel[...]) + self.bias[...][:, None, None, None]
        return upsample(x, self.kernel[...]) + self.bias[...][None, None, None]
