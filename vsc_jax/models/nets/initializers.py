"""Initial weights: truncated normals of He's and LeCun's widths, drawn in blocks of one size.

XLA compiles a random draw anew for every shape, half a second each on a CPU. Blocks of one size are
compiled once, whatever the layers.

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
# Standard deviation of a standard normal that is cut off at -2 and 2.
_CUT_STD = 0.87962566


def he_normal(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Weights ``[..., in, out]`` of variance ``2 / fan_in``: for a layer that a ReLU follows."""
    return scaled_normal(key, shape, dtype, gain=2.0)


def lecun_normal(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Weights ``[..., in, out]`` of variance ``1 / fan_in``: for a layer whose output is used as it is."""
    return scaled_normal(key, shape, dtype, gain=1.0)


def scaled_normal(
    key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32, *, gain: float
) -> Float[Array, "..."]:
    """Normal weights ``[..., in, out]`` of variance ``gain / fan_in``, cut off at two deviations.

    Args:
      key: key of the draw.
      shape: all axes but the last are inputs: ``fan_in`` is their product.
      dtype: floating dtype of the weights.
      gain: variance of an output for inputs of mean square one.
    """
    fan_in = math.prod(shape[:-1])
    blocks = [_block(jax.random.fold_in(key, i)) for i in range(-(-math.prod(shape) // _BLOCK))]
    return _assemble(blocks, math.sqrt(gain / fan_in) / _CUT_STD, shape).astype(dtype)


@jax.jit
def _block(key: PRNGKeyArray) -> Float[Array, " n"]:
    return jax.random.truncated_normal(key, -2.0, 2.0, (_BLOCK,), jnp.float32)


@partial(jax.jit, static_argnums=2)
def _assemble(blocks: list[Array], scale: ArrayLike, shape: tuple[int, ...]) -> Float[Array, "..."]:
    return jnp.concatenate(blocks)[: math.prod(shape)].reshape(shape) * scale
