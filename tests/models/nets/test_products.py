"""Products in less than float32: each operand rounded, forwards and backwards, and the sums left alone."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx

from vsc_jax.models.nets import MLP, ConvDecoder, ConvEncoder, SignalDecoder, SignalEncoder, products
from vsc_jax.models.nets.products import product

TRUNKS = {
    "mlp": (lambda rngs: MLP(6, (5, 4), rngs=rngs), (3, 6)),
    "conv": (lambda rngs: ConvEncoder((8, 8), 4, rngs=rngs), (3, 8, 8)),
    "deconv": (lambda rngs: ConvDecoder(4, (8, 8), rngs=rngs), (3, 4)),
    "signal": (lambda rngs: SignalEncoder((16, 2), 4, rngs=rngs), (3, 16, 2)),
    "designal": (lambda rngs: SignalDecoder(4, (16, 2), rngs=rngs), (3, 4)),
}


@pytest.fixture(params=["plain CPU", "CPU with matrix units"])
def matrix_units(request, monkeypatch):
    """Both ways to round; XLA has a program for either, whatever this machine has."""
    present = request.param == "CPU with matrix units"
    monkeypatch.setattr(products, "cpu_has_matrix_units", lambda: present)
    return present


def normal(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def bfloat16(x):
    return x.astype(ml_dtypes.bfloat16).astype(np.float64)


def with_gradients(x, w, g):
    """The product, and the gradients of its inner product with ``g``."""
    y, back = jax.vjp(product, jnp.asarray(x), jnp.asarray(w))
    return y, *back(jnp.asarray(g))


@pytest.mark.usefixtures("matrix_units")
def test_bfloat16_rounds_both_operands_of_all_three_products_and_sums_in_float32():
    x, w, g = normal(0, (7, 300)), normal(1, (300, 5)), normal(2, (7, 5))
    with jax.default_matmul_precision("bfloat16"):
        found = with_gradients(x, w, g)
    x, w, g = bfloat16(x), bfloat16(w), bfloat16(g)
    for value, expected in zip(found, (x @ w, g @ w.T, x.T @ g), strict=True):
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("matrix_units")
def test_products_take_leading_axes():
    x, w = normal(0, (2, 3, 30)), normal(1, (30, 5))
    with jax.default_matmul_precision("bfloat16"):
        y = product(jnp.asarray(x), jnp.asarray(w))
    np.testing.assert_allclose(y, bfloat16(x) @ bfloat16(w), rtol=1e-5, atol=1e-4)


def test_tensorfloat32_lies_between_bfloat16_and_float32():
    x, w, g = normal(0, (7, 300)), normal(1, (300, 5)), normal(2, (7, 5))
    exact = with_gradients(x, w, g)
    errors = []
    for name in ("tensorfloat32", "bfloat16"):
        with jax.default_matmul_precision(name):
            found = with_gradients(x, w, g)
        errors.append([float(jnp.std(value - right)) for value, right in zip(found, exact, strict=True)])
    for fine, coarse in zip(*errors, strict=True):
        assert 4 < coarse / fine < 16  # three bits of the mantissa are a factor of eight
        assert fine > 1e-5


def test_float32_is_the_plain_product_also_after_another_precision():
    x, w = jnp.asarray(normal(0, (7, 300))), jnp.asarray(normal(1, (300, 5)))
    with jax.default_matmul_precision("bfloat16"):
        assert np.any(product(x, w) != x @ w)
    np.testing.assert_array_equal(product(x, w), x @ w)


@pytest.mark.parametrize("name", TRUNKS)
def test_every_product_of_a_network_is_rounded(name, matrix_units):
    make, shape = TRUNKS[name]
    graph, params = nnx.split(make(nnx.Rngs(0)))
    x = jnp.asarray(normal(0, shape))

    def gradient(params, x):
        return jax.grad(lambda params: jnp.sum(nnx.merge(graph, params)(x) ** 2))(params)

    def program(precision):
        with jax.default_matmul_precision(precision):
            return str(jax.make_jaxpr(gradient)(params, x))

    assert "bf16" not in program("float32")
    text = program("bfloat16")
    # Each of a layer's three products but the gradient of what is data: two operands of each are rounded.
    dots = [line for line in text.splitlines() if "= dot_general" in line]
    layers = sum(leaf.ndim > 1 for leaf in jax.tree.leaves(params))
    assert len(dots) >= 3 * layers - 1
    assert text.count("new_dtype=bfloat16") >= 3 * layers
    assert (text.count("preferred_element_type=float32") == len(dots)) == matrix_units or not matrix_units


@pytest.mark.parametrize("name", TRUNKS)
def test_a_network_trains_in_matrix_units_as_it_does_with_rounded_operands(name, monkeypatch):
    make, shape = TRUNKS[name]
    graph, params = nnx.split(make(nnx.Rngs(0)))
    x = jnp.asarray(normal(0, shape))

    def gradient(present):
        monkeypatch.setattr(products, "cpu_has_matrix_units", lambda: present)

        def loss(params):
            with jax.default_matmul_precision("bfloat16"):
                return jnp.mean(nnx.merge(graph, params)(x) ** 2)

        return jax.jit(jax.grad(loss))(params)

    # A sum on the edge between two bfloat16 numbers falls to another side by the order it was taken in.
    for in_units, rounded in zip(*map(jax.tree.leaves, (gradient(True), gradient(False))), strict=True):
        np.testing.assert_allclose(in_units, rounded, atol=2e-2 * float(jnp.max(jnp.abs(rounded))) + 1e-6)
