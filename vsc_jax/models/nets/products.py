"""Matrix products of the networks, in float32 or, under ``jax.default_matmul_precision``, in less.

Training traces an objective and its gradient under ``train.precision``. Every product of the networks,
forwards and backwards, then rounds its two operands and sums in float32; all else stays in float32. An
accelerator rounds in its matrix units, and so does a CPU that has such units (Intel's AMX). Other CPUs round
the operands and multiply in float32: the same arithmetic, no faster, so that its effect can be seen anywhere.
"""

from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

_OF_PRODUCTS: dict[str, lax.Precision | lax.DotAlgorithmPreset] = {
    "tensorfloat32": lax.Precision.HIGH,
    "bfloat16": lax.DotAlgorithmPreset.BF16_BF16_F32,
}
_OF_CONVOLUTIONS = {"tensorfloat32": lax.Precision.HIGH, "bfloat16": lax.Precision.DEFAULT}


def product(x: Float[Array, "*n k"], w: Float[Array, "k m"]) -> Float[Array, "*n m"]:
    """``x @ w`` at the current precision; float32 where none is set."""
    name = _current()
    if on_cpu() and name in _OF_PRODUCTS:
        rows = _rounded_product(name, x.reshape(-1, x.shape[-1]), w)
        return rows.reshape(*x.shape[:-1], w.shape[1])
    precision = lax.Precision.HIGHEST if on_cpu() else _OF_PRODUCTS.get(name, lax.Precision.HIGHEST)
    return jnp.matmul(x, w, precision=precision)


def conv_precision() -> lax.Precision:
    """The current precision of ``lax`` convolutions; for ``bfloat16`` the device's least."""
    return _OF_CONVOLUTIONS.get(_current(), lax.Precision.HIGHEST)


def on_cpu() -> bool:
    """Whether programs run on a CPU by default."""
    return jax.default_backend() == "cpu"


@cache
def cpu_has_matrix_units() -> bool:
    """Whether this machine's CPU multiplies matrices of bfloat16 in units of their own."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _dot_general(x: Array, w: Array, dimension_numbers: Any, **_: Any) -> Array:
    del dimension_numbers  # a layer multiplies its input's last axis by its kernel's first
    return product(x, w)


Linear = partial(nnx.Linear, dot_general=_dot_general)
"""Flax's fully connected layer, its product at the current precision."""


def _current() -> str:
    return str(jax.config.jax_default_matmul_precision)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _rounded_product(name: str, x: Float[Array, "n k"], w: Float[Array, "k m"]) -> Float[Array, "n m"]:
    """``x @ w`` of rounded operands on a CPU; its gradients are two more of the kind."""
    return _multiplied(_rounded(name, x), _rounded(name, w))


def _forward(name: str, x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
    x, w = _rounded(name, x), _rounded(name, w)
    return _multiplied(x, w), (x, w)


def _backward(name: str, operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    (x, w), gradient = operands, _rounded(name, gradient)
    return _multiplied(gradient, w.T), _multiplied(x.T, gradient)


_rounded_product.defvjp(_forward, _backward)


def _rounded(name: str, x: Array) -> Array:
    if name == "tensorfloat32":
        return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=10)
    return x.astype(jnp.bfloat16)


def _multiplied(x: Array, w: Array) -> Float[Array, "n m"]:
    if x.dtype == jnp.float32 or not cpu_has_matrix_units():
        return jnp.matmul(x.astype(jnp.float32), w.astype(jnp.float32), precision=lax.Precision.HIGHEST)
    # XLA takes the units only where the rows of the first operand are contiguous; else it goes on in float32.
    # For a product that a transposition of its result is folded into it has no kernel: hence the barrier.
    rows = with_layout_constraint(x, Layout((0, 1)))
    return lax.optimization_barrier(jnp.matmul(rows, w, preferred_element_type=jnp.float32))
