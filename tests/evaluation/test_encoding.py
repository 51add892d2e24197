"""Codes of a split."""

import jax
import numpy as np
import pytest

from vsc_jax.evaluation.encoding import Codes, codes


def test_sparse_codes_are_exactly_zero_where_gates_are_off(tiny, examples):
    many = np.tile(examples, (400, 1))
    measured = codes(tiny("vsc", initial_gate_logit=0.0), many, jax.random.key(0))
    off = measured.z == 0
    assert off.mean() == pytest.approx(1 - measured.gamma.mean(), abs=0.02)
    np.testing.assert_allclose(measured.z.mean(axis=0), measured.expected.mean(axis=0), atol=0.1)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_models_without_gates_have_all_of_them_open(tiny, examples, kind):
    measured = codes(tiny(kind), examples, jax.random.key(0))
    assert (measured.gamma == 1).all()
    np.testing.assert_array_equal(measured.expected, measured.mean)
    assert (measured.z == measured.mean).all() == (kind == "ae")


def test_expected_code_is_gamma_mu():
    measured = Codes(np.array([[2.0, -4.0]]), np.array([[0.5, 0.25]]), np.zeros((1, 2)))
    np.testing.assert_array_equal(measured.expected, [[1.0, -1.0]])
