"""SAP of codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.evaluation.sap import predictability, sap


@pytest.mark.parametrize("level", ["real_factors", "presences"])
@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("perfect", 0.9, 1),
        ("permuted", 0.9, 1),
        ("duplicated", 0, 0),
        ("constant", 0, 0),
        ("noise", 0, 0.05),
        ("noisy", 0.2, 0.55),
    ],
)
def test_codes_with_known_answers(request, code_of, level, kind, low, high):
    factors = request.getfixturevalue(level)
    assert low <= sap(code_of(kind, factors), factors) <= high


def test_predictability_by_hand(presences):
    factor = presences[0]._replace(values=np.array([0, 0, 0, 1, 1, 1]), given=np.ones(6, bool))
    code = np.array([[1.0, 1.0], [2.0, 1.0], [5.0, 1.0], [3.0, 1.0], [4.0, 1.0], [6.0, 1.0]])
    # The threshold 2.5: two of three and three of three; a constant tells nothing.
    np.testing.assert_allclose(predictability(code, [factor])[:, 0], [2 / 3, 0])


def test_half_the_variance_is_r2_of_one_half(real_factors, code_of):
    scores = predictability(code_of("noisy", real_factors), real_factors)
    np.testing.assert_allclose(np.diag(scores), 0.5, atol=0.05)


def test_more_than_two_classes_are_refused(presences):
    factor = presences[0]._replace(values=np.arange(3000) % 3)
    with pytest.raises(ValueError, match="two classes"):
        sap(np.zeros((3000, 1)), [factor])
