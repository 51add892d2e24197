"""Explicitness and linear R^2 of codes whose answer is known."""

import pytest

from vsc_jax.evaluation.readout import explicitness, linear_r2

# Codes from which a linear map gets the factors back.
READ = [(kind, 0.99, 1) for kind in ("perfect", "permuted", "rotated", "duplicated")]


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [*READ, ("constant", 0, 0), ("noise", 0, 0.06), ("noisy", 0.4, 0.7)],
)
def test_explicitness_of_attributes(presences, code_of, kind, low, high):
    train, test = code_of(kind, presences), code_of(kind, presences, seed=5)
    assert low <= explicitness(train, presences, test, presences) <= high


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [*READ, ("constant", 0, 0), ("noise", 0, 0.01), ("noisy", 0.45, 0.55)],
)
def test_r2_of_features(real_factors, code_of, kind, low, high):
    train, test = code_of(kind, real_factors), code_of(kind, real_factors, seed=5)
    assert low <= linear_r2(train, real_factors, test, real_factors) <= high


def test_a_factor_of_one_class_has_no_curve(presences):
    alone = [presences[0]._replace(values=presences[0].values * 0)]
    code = presences[1].values[:, None].astype(float)
    assert explicitness(code, alone, code, alone) == 0
