"""Every score of a code against true factors, of codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.evaluation.disentanglement import dci, infomec, information, mig, modularity, sap
from vsc_jax.evaluation.factors import feature_statistics, gate_statistics
from vsc_jax.evaluation.probes import explicitness, linear_r2

KINDS = ("perfect", "permuted", "duplicated", "constant", "noise", "noisy")
ONE, NONE, ANY = (0.95, 1), (0, 0), (0, 1)
EXPECTED = {
    "mig": (ONE, ONE, NONE, NONE, (0, 0.01), (0.05, 0.3)),
    "modularity": (ONE, ONE, ONE, NONE, NONE, (0.9, 1)),
    "infom": (ONE, ONE, ONE, NONE, NONE, (0.9, 1)),
    "infoc": (ONE, ONE, (0.39, 0.44), NONE, NONE, (0.9, 1)),  # a half, scaled to chance 1/6 or 1/8
    "sap": ((0.9, 1), (0.9, 1), NONE, NONE, (0, 0.05), (0.2, 0.55)),
    "disentanglement": (ONE, ONE, ONE, NONE, ANY, ANY),
    "completeness": (ONE, ONE, (0, 0.95), NONE, ANY, ANY),
    "informativeness": (ONE, ONE, ONE, NONE, (0, 0.05), (0.2, 0.55)),
    # Of attributes.
    "explicitness": (ONE, ONE, ONE, NONE, (0, 0.06), (0.4, 0.7)),
    "attributes_found": ((3, 3), (3, 3), (3, 3), NONE, NONE, NONE),
    # Of features.
    "linear_r2": (ONE, ONE, ONE, NONE, (0, 0.01), (0.45, 0.55)),
    "feature_correlation": (ONE, ONE, ONE, NONE, (0, 0.05), (0.66, 0.76)),
    "feature_correlation_distinct": (ONE, ONE, ONE, NONE, (0, 0.05), (0.66, 0.76)),
}


def scores(factors, train, test):
    shares, few = information(test, factors), [factor.first(1000) for factor in factors]
    found = {"mig": mig(shares), "modularity": modularity(shares), "sap": sap(test, factors)}
    found |= dict(zip(("infom", "infoc"), infomec(test, factors), strict=True))
    found |= dci(train[:1000], few, test[:1000], few)._asdict()
    if factors[0].discrete:
        found |= gate_statistics(1 / (1 + np.exp(-test)), factors)
        return found | {"explicitness": explicitness(train, factors, test, factors)}
    return (
        found
        | feature_statistics(test, factors, None)
        | {"linear_r2": linear_r2(train, factors, test, factors)}
    )


@pytest.mark.parametrize("level", ["real_factors", "presences"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_codes_with_known_answers(request, code_of, level, kind):
    factors = request.getfixturevalue(level)[:3]
    found = scores(factors, code_of(kind, factors), code_of(kind, factors, seed=5))
    for name in EXPECTED.keys() & found.keys():
        low, high = EXPECTED[name][KINDS.index(kind)]
        assert low <= round(found[name], 9) <= high, name


def test_latents_that_mix_factors_are_read_by_all_of_them_and_by_none_alone(real_factors, presences, code_of):
    code, gates = code_of("rotated", real_factors), code_of("rotated", presences)
    assert mig(information(code, real_factors)) < 0.3
    assert modularity(information(code, real_factors)) < 0.9
    assert linear_r2(code, real_factors, code, real_factors) > 0.99
    assert explicitness(gates, presences, gates, presences) > 0.99
