"""The supervised ceiling."""

import pytest

from vsc_jax.evaluation.ceiling import supervised_ceiling


def test_a_picture_tells_its_features_but_not_exactly():
    ceiling = supervised_ceiling(32)
    assert ceiling is not None
    assert ceiling.shape == (18,)
    assert 0.5 < ceiling.min() < ceiling.max() < 1
    assert ceiling.mean() == pytest.approx(0.87, abs=0.03)


def test_no_ceiling_is_claimed_where_none_was_measured():
    assert supervised_ceiling(28) is None
