"""Initial weights: truncated normals of He's and LeCun's widths, drawn in blocks of one size.

XLA compiles a random draw anew for every shape, half a second each on a CPU. Blocks of one size are compiled
once, whatever the layers.

He, Zhang, Ren and Sun, *Delving Deep into Rectifiers*, ICCV 2015; LeCun, Bottou, Orr and Müller,
*Efficient BackProp*, 1998.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

_BLOCK = 2**16
_CUT_STD = 0.87962566  # standard deviation of a standard normal that is cut off at -2 and 2


def scaled_normal(
    key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32, *, gain: float
) -> Float[Array, "..."]:
    """Normal weights ``[..., in, out]`` of variance ``gain / fan_in``, cut off at two deviations.

    All axes but the last are inputs: ``fan_in`` is their product.
    """
    count = -(-math.prod(shape) // _BLOCK)
    if isinstance(key, jax.core.Tracer):  # compiled or of shapes alone: a program as short for a large layer
        numbers = jnp.arange(count, dtype=jnp.uint32)
        blocks = jax.lax.map(lambda i: _block(jax.random.fold_in(key, i)), numbers)
    else:
        blocks = [_block(jax.random.fold_in(key, i)) for i in range(count)]
    fan_in = math.prod(shape[:-1])
    return _assemble(blocks, math.sqrt(gain / fan_in) / _CUT_STD, shape).astype(dtype)


he_normal = partial(scaled_normal, gain=2.0)
"""Weights ``[..., in, out]`` of variance ``2 / fan_in``: for a layer that a ReLU follows."""

lecun_normal = partial(scaled_normal, gain=1.0)
"""Weights ``[..., in, out]`` of variance ``1 / fan_in``: for a layer whose output is used as it is."""


@jax.jit
def _block(key: PRNGKeyArray) -> Float[Array, " n"]:
    return jax.random.truncated_normal(key, -2.0, 2.0, (_BLOCK,), jnp.float32)


@partial(jax.jit, static_argnums=2)
def _assemble(blocks: Any, scale: ArrayLike, shape: tuple[int, ...]) -> Float[Array, "..."]:
    drawn = blocks.reshape(-1) if isinstance(blocks, jax.Array) else jnp.concatenate(blocks)
    return drawn[: math.prod(shape)].reshape(shape) * scale
