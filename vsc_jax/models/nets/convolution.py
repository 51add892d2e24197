"""Convolutions of stride 2 with 3 taps along each axis, and their transposes, that are quick on a CPU too.

XLA's convolutions on a CPU are several times slower than its matrix product. There a layer gathers its taps,
which are sub-images shifted by at most one pixel, and multiplies once; accelerators use ``lax`` convolutions.
Most of a layer's time on a CPU goes into memory, not arithmetic. So images and signals have
their batch last, ``[c, h, w, n]`` and ``[c, t, n]``: what is shifted is then a long run of memory. Taps are
gathered anew in the backward pass, and a network takes a batch in chunks that stay in a core's cache.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vsc_jax.models.nets.initializers import he_normal, scaled_normal
from vsc_jax.models.nets.products import conv_precision, on_cpu, product

Method = Literal["auto", "patches", "lax"]

CHUNK = 64
"""Examples that a convolutional network on a CPU takes at once."""

UNROLLED = 4
"""Up to so many chunks are independent of each other in the program, so that a second core takes some."""

_DIMENSIONS = {3: ("CWN", "WIO", "CWN"), 4: ("CHWN", "HWIO", "CHWN")}


class Conv(nnx.Module):
    """A convolution of stride 2 and padding 1: ``[c, *sides, n] -> [d, *ceil(sides / 2), n]``.

    ``kernel_size`` is ``(3,)`` or ``(3, 3)``. The kernel is ``[*kernel_size, c, d]`` as in ``nnx.Conv``.
    """

    def __init__(self, in_features: int, out_features: int, kernel_size: tuple[int, ...], *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_normal(rngs.params(), (*kernel_size, in_features, out_features)))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))

    def __call__(self, x: Float[Array, "c ..."]) -> Float[Array, "d ..."]:
        """Half the sides, rounded up."""
        return conv(x, self.kernel[...]) + self.bias[...].reshape(-1, *(1,) * (x.ndim - 1))


class ConvTranspose(nnx.Module):
    """The transpose of :class:`Conv` for even sides: ``[c, *sides, n] -> [d, *2 sides, n]``."""

    def __init__(self, in_features: int, out_features: int, kernel_size: tuple[int, ...], *, rngs: nnx.Rngs):
        shape = (*kernel_size, in_features, out_features)
        # On average 3 / 2 taps along an axis, not 3, reach an output: twice He's variance for each axis.
        self.kernel = nnx.Param(scaled_normal(rngs.params(), shape, gain=2.0 * 2 ** len(kernel_size)))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))

    def __call__(self, x: Float[Array, "c ..."]) -> Float[Array, "d ..."]:
        """Twice the sides."""
        return conv_transpose(x, self.kernel[...]) + self.bias[...].reshape(-1, *(1,) * (x.ndim - 1))


class FullConv(nnx.Module):
    """A kernel as large as the image: ``[c, *sides, n] -> [n, features]``, for ``shape = (*sides, c)``."""

    def __init__(self, shape: tuple[int, ...], features: int, *, rngs: nnx.Rngs):
        self.shape = shape
        self.kernel = nnx.Param(he_normal(rngs.params(), (math.prod(shape), features)))
        rngs.params()  # as nnx.Linear draws one for its bias
        self.bias = nnx.Param(jnp.zeros(features, jnp.float32))

    def __call__(self, x: Float[Array, "c ..."]) -> Float[Array, "n features"]:
        """Features of each image."""
        rows = _channels_first(self.kernel[...], self.shape)
        return product(x.reshape(len(rows), -1).T, rows) + self.bias[...][None]


class FullConvTranspose(nnx.Module):
    """The transpose of :class:`FullConv`: ``[n, features] -> [c, *sides, n]``."""

    def __init__(self, features: int, shape: tuple[int, ...], *, rngs: nnx.Rngs):
        self.shape = shape
        self.kernel = nnx.Param(he_normal(rngs.params(), (features, math.prod(shape))))
        rngs.params()
        self.bias = nnx.Param(jnp.zeros(math.prod(shape), jnp.float32))

    def __call__(self, z: Float[Array, "n features"]) -> Float[Array, "c ..."]:
        """An image of each row."""
        rows, bias = (
            _channels_first(leaf, self.shape) for leaf in (self.kernel[...].T, self.bias[...][:, None])
        )
        return (product(rows, z.T) + bias).reshape(self.shape[-1], *self.shape[:-1], -1)


def chunked(call: Callable[[Any, Array], Array]) -> Callable[[Any, Array], Array]:
    """Decorate ``__call__(self, x)`` of a network to take :data:`CHUNK` examples at a time on a CPU."""

    @wraps(call)
    def in_chunks(self: Any, x: Array) -> Array:
        n = x.shape[0]
        if isinstance(n, int) and n == 0:  # no size can be told from no values
            return call(self, jnp.zeros((1, *x.shape[1:]), x.dtype))[:0]
        # An exported program is for any number of examples: its n is a symbol.
        if not on_cpu() or not isinstance(n, int) or n <= CHUNK:
            return call(self, x)
        count = n // CHUNK
        # Every count-th example: what devices share is then still the batch, of each chunk.
        whole, rest = x[: count * CHUNK], x[count * CHUNK :]
        chunks = jnp.swapaxes(whole.reshape(CHUNK, count, *x.shape[1:]), 0, 1)
        if count <= UNROLLED:
            y = jnp.stack([call(self, chunk) for chunk in chunks])
        else:
            y = jax.lax.map(lambda chunk: call(self, chunk), chunks)
        y = jnp.swapaxes(y, 0, 1).reshape(count * CHUNK, *y.shape[2:])
        return y if n == count * CHUNK else jnp.concatenate([y, call(self, rest)])

    return in_chunks


def conv(
    x: Float[Array, "c ..."], kernel: Float[Array, "3 ..."], method: Method = "auto"
) -> Float[Array, "d ..."]:
    """What :class:`Conv` does without its bias: by ``patches`` on a CPU, by ``lax`` elsewhere."""
    if on_cpu() if method == "auto" else method == "patches":
        return _conv(x, kernel)
    axes = x.ndim - 2
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(2,) * axes,
        padding=((1, 1),) * axes,
        dimension_numbers=_DIMENSIONS[x.ndim],
        precision=conv_precision(),
    )


def conv_transpose(
    x: Float[Array, "c ..."], kernel: Float[Array, "3 ..."], method: Method = "auto"
) -> Float[Array, "d ..."]:
    """What :class:`ConvTranspose` does without its bias: tap k of input i reaches output ``2 i - 1 + k``."""
    if on_cpu() if method == "auto" else method == "patches":
        return _conv_transpose(x, kernel)
    axes = x.ndim - 2
    return jax.lax.conv_general_dilated(
        x,
        jnp.flip(kernel, range(axes)),
        window_strides=(1,) * axes,
        padding=((1, 2),) * axes,
        lhs_dilation=(2,) * axes,
        dimension_numbers=_DIMENSIONS[x.ndim],
        precision=conv_precision(),
    )


@jax.custom_vjp
def _conv(x: Array, kernel: Array) -> Array:
    halves = ((side + 1) // 2 for side in x.shape[1:-1])
    return product(_rows(kernel).T, _taps(x)).reshape(-1, *halves, x.shape[-1])


@jax.custom_vjp
def _conv_transpose(x: Array, kernel: Array) -> Array:
    # What every tap gives to its neighbours, added where it falls.
    given = product(_rows(jnp.swapaxes(kernel, -1, -2)), x.reshape(len(x), -1))
    sides = (2 * side for side in x.shape[1:-1])
    large = jax.ShapeDtypeStruct((kernel.shape[-1], *sides, x.shape[-1]), given.dtype)
    (added,) = jax.linear_transpose(_taps, large)(given)
    return added


def _taps(x: Array) -> Float[Array, "taps positions"]:
    """The inputs 2 i - 1, 2 i and 2 i + 1 along each axis for every output i of a convolution."""
    taps = [x]
    for axis in range(1, x.ndim - 1):
        taps = [tap for part in taps for tap in _three(part, axis)]
    return jnp.concatenate(taps, axis=0).reshape(len(taps) * len(x), -1)


def _three(x: Array, axis: int) -> tuple[Array, Array, Array]:
    pairs = jnp.pad(x, [(0, x.shape[axis] % 2 if i == axis else 0) for i in range(x.ndim)])
    pairs = pairs.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
    even, odd = (jax.lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1))
    before = jnp.pad(odd, [(int(i == axis), 0) for i in range(x.ndim)])
    return jax.lax.slice_in_dim(before, 0, odd.shape[axis], axis=axis), even, odd


def _rows(kernel: Array) -> Float[Array, "rows d"]:
    return kernel.reshape(-1, kernel.shape[-1])


def _channels_first(rows: Float[Array, "values m"], shape: tuple[int, ...]) -> Float[Array, "values m"]:
    """Rows for the values of an image ``(*sides, c)``, in the order of ``(c, *sides)``."""
    return jnp.moveaxis(rows.reshape(*shape, -1), -2, 0).reshape(rows.shape)


# Each is the other's transpose: the gradient of an input is the other layer, a kernel's is one more product.
def _conv_back(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = operands
    of_x = _conv_transpose(gradient, jnp.swapaxes(kernel, -1, -2))[tuple(slice(side) for side in x.shape)]
    of_kernel = product(_taps(x), gradient.reshape(len(gradient), -1).T)
    return of_x, of_kernel.reshape(kernel.shape)


def _conv_transpose_back(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = operands
    transposed, taps = jnp.swapaxes(kernel, -1, -2), _taps(gradient)
    of_x = product(_rows(transposed).T, taps).reshape(x.shape)
    of_transposed = product(taps, x.reshape(len(x), -1).T).reshape(transposed.shape)
    return of_x, jnp.swapaxes(of_transposed, -1, -2)


_conv.defvjp(lambda x, kernel: (_conv(x, kernel), (x, kernel)), _conv_back)
_conv_transpose.defvjp(lambda x, kernel: (_conv_transpose(x, kernel), (x, kernel)), _conv_transpose_back)
