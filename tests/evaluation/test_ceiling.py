"""The supervised ceiling."""

import pytest

from vsc_jax.evaluation.ceiling import supervised_ceiling


@pytest.mark.parametrize("side", [28, 32])
def test_a_picture_tells_its_features_but_not_exactly(side):
    ceiling = supervised_ceiling(side)
    assert ceiling.shape == (18,)
    assert 0.5 < ceiling.min() < ceiling.max() < 1
    assert ceiling.mean() == pytest.approx(0.87, abs=0.03)
