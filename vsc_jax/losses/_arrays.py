"""One dtype for the arguments of a loss: arrays, NumPy arrays and Python numbers."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array


def float_arrays(*values: ArrayLike) -> list[Array]:
    """The arguments as arrays of the first floating dtype among them; Python numbers have none.

    So ``bernoulli_log_likelihood(float32_logits, bool_pixels)`` is float32, and
    ``gaussian_kl(bfloat16_mean, bfloat16_log_var, 0.0, 0.0)`` is bfloat16. Without any floating array
    it is JAX's default float.
    """
    arrays = [jnp.asarray(value) for value in values]
    floating = (a.dtype for a in arrays if jnp.issubdtype(a.dtype, jnp.floating) and not a.weak_type)
    dtype = next(floating, jnp.result_type(float))
    return [a.astype(dtype) for a in arrays]
