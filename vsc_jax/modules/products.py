"""Matrix products and convolutions of the networks, in float32 or, while training, in less.

``precision("bfloat16")`` is set while an objective and its gradient are traced: every product of the
networks, forwards and backwards, then rounds its two operands and sums in float32. All else (parameters,
gradients, the optimiser, samples, likelihoods, divergences) stays in float32. An accelerator rounds in its
matrix units; a CPU, which has none, rounds the operands and multiplies in float32: the same arithmetic, no
faster, so that what it does to a run can be seen anywhere.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

import jax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

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
    """``lax.dot_general`` at the current precision, in the form in which layers of Flax take it."""
    name = "float32" if _on_cpu() else _CURRENT.get()
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
