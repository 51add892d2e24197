"""Matrix products and convolutions of the networks, in float32 or, while training, in less.

``precision("bfloat16")`` is set while an objective and its gradient are traced: every product of the
networks, forwards and backwards, then rounds its two operands and sums in float32. All else (parameters,
gradients, the optimiser, samples, likelihoods, divergences) stays in float32. An accelerator rounds in its
matrix units, and so does a CPU that has such units (Intel's AMX). Other CPUs round the operands and multiply
in float32: the same arithmetic, no faster, so that what it does to a run can be seen anywhere.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, BFloat16, Float

from vsc_jax.config import Precision

_CURRENT: ContextVar[Precision] = ContextVar("precision", default="float32")
_MANTISSA_BITS = {"tensorfloat32": 10, "bfloat16": 7}
_OF_PRODUCTS: dict[str, lax.Precision | lax.DotAlgorithmPreset] = {
    "float32": lax.Precision.HIGHEST,
    "tensorfloat32": lax.Precision.HIGH,
    "bfloat16": lax.DotAlgorithmPreset.BF16_BF16_F32,
}
_OF_CONVOLUTIONS = {
    "float32": lax.Precision.HIGHEST,
    "tensorfloat32": lax.Precision.HIGH,
    "bfloat16": lax.Precision.DEFAULT,
}


@contextlib.contextmanager
def precision(name: Precision) -> Iterator[None]:
    """Trace the networks' products at this precision; it has to be a static argument of what is compiled."""
    before = _CURRENT.set(name)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def product(x: Float[Array, "*n k"], w: Float[Array, "k m"]) -> Float[Array, "*n m"]:
    """``x @ w`` at the current precision."""
    return dot_general(x, w, (((x.ndim - 1,), (0,)), ((), ())))


def dot_general(x: Array, w: Array, dimension_numbers: Any, **_: Any) -> Array:
    """``lax.dot_general`` over one axis at the current precision, in the form that layers of Flax take."""
    name = _CURRENT.get()
    if name == "bfloat16" and _on_cpu() and cpu_has_matrix_units():
        ((x_axis,), (w_axis,)), _ = dimension_numbers
        x, w = jnp.moveaxis(x, x_axis, -1), jnp.moveaxis(w, w_axis, 0)
        return _in_matrix_units(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], w.shape[1])
    if _on_cpu():
        name = "float32"
    return _rounded(
        partial(lax.dot_general, dimension_numbers=dimension_numbers, precision=_OF_PRODUCTS[name]), x, w
    )


def convolution(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    *,
    dimension_numbers: tuple[str, str, str],
    lhs_dilation: Sequence[int] | None = None,
) -> Array:
    """``lax.conv_general_dilated`` at the current precision; for ``bfloat16`` the device's least."""
    work = partial(
        lax.conv_general_dilated,
        window_strides=strides,
        padding=padding,
        dimension_numbers=dimension_numbers,
        lhs_dilation=lhs_dilation,
        precision=_OF_CONVOLUTIONS[_CURRENT.get()],
    )
    return _rounded(work, x, kernel)


Linear = partial(nnx.Linear, dot_general=dot_general)
"""Flax's fully connected layer, its product at the current precision."""


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


@cache
def cpu_has_matrix_units() -> bool:
    """Whether this machine's CPU multiplies matrices of bfloat16 in units of their own."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


@jax.custom_vjp
def _in_matrix_units(x: Float[Array, "n k"], w: Float[Array, "k m"]) -> Float[Array, "n m"]:
    """``x @ w`` of operands in bfloat16, summed in float32; its gradients are two more of the kind."""
    return _summed_in_float32(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16))


def _summed_in_float32(x: BFloat16[Array, "n k"], w: BFloat16[Array, "k m"]) -> Float[Array, "n m"]:
    # XLA takes the units only where the rows of the first operand are contiguous; else it goes on in float32.
    # For a product that a transposition of its result is folded into it has no kernel: hence the barrier.
    rows = with_layout_constraint(x, Layout((0, 1)))
    y = lax.dot_general(rows, w, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32)
    return lax.optimization_barrier(y)


def _matrix_units_forward(x: Array, w: Array) -> tuple[Array, tuple[Array, Array]]:
    x, w = x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
    return _summed_in_float32(x, w), (x, w)


def _matrix_units_back(operands: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    (x, w), gradient = operands, gradient.astype(jnp.bfloat16)
    return _summed_in_float32(gradient, w.T), _summed_in_float32(x.T, gradient)


_in_matrix_units.defvjp(_matrix_units_forward, _matrix_units_back)


def _rounded(work: Callable[[Array, Array], Array], x: Array, w: Array) -> Array:
    bits = _MANTISSA_BITS.get(_CURRENT.get())
    if bits is None or not _on_cpu():
        return work(x, w)
    return _with_rounded_gradient(work(_round(x, bits), _round(w, bits)), bits)


def _rounding(x: Array, bits: int) -> Array:
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _round(x: Array, bits: int) -> Array:
    """An operand as the product sees it; the gradient, a sum in float32, is let through."""
    return _rounding(x, bits)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _with_rounded_gradient(y: Array, bits: int) -> Array:
    """A product's result; its gradient is an operand of the two products of the backward pass."""
    return y


_round.defvjp(lambda x, bits: (_rounding(x, bits), None), lambda bits, _, gradient: (gradient,))
_with_rounded_gradient.defvjp(
    lambda y, bits: (y, None), lambda bits, _, gradient: (_rounding(gradient, bits),)
)
