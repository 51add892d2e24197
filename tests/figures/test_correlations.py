import numpy as np
import pytest

from vsc_jax.figures.correlations import (
    correlation,
    draw_correlations,
    order_into_blocks,
    signed_correlation,
    size_correlation,
)


def test_correlation_is_pearson_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 2)), rng.normal(size=(200, 3))
    b[:, 1] += a[:, 0]
    np.testing.assert_allclose(correlation(a, b), np.corrcoef(a.T, b.T)[:2, 2:], atol=1e-12)


def test_what_does_not_vary_correlates_with_nothing():
    varies = np.arange(5.0)[:, None]
    constant = np.full((5, 1), 0.1)
    assert correlation(varies, constant)[0, 0] == 0
    assert correlation(constant, varies)[0, 0] == 0


def test_sizes_forget_the_sign_and_presence_keeps_it():
    rng = np.random.default_rng(0)
    presence = (rng.random((4000, 1)) < 0.5).astype(np.uint8)
    factors = presence * rng.normal(size=(4000, 1))
    code = -factors
    assert size_correlation(factors, code)[0, 0] == pytest.approx(1)
    assert signed_correlation(factors, presence, code)[0, 0] == pytest.approx(-1)
    noisy_when_absent = np.where(presence == 1, factors, rng.normal(size=factors.shape))
    assert signed_correlation(factors, presence, noisy_when_absent)[0, 0] == pytest.approx(1)


def test_a_feature_that_is_never_present_correlates_with_nothing():
    zeros = np.zeros((6, 1))
    assert signed_correlation(zeros, zeros, np.arange(6.0)[:, None])[0, 0] == 0


def test_latents_are_ordered_by_group_then_feature_then_strength():
    groups = np.array([0, 0, 1])
    signed = np.array([[0.1, 0.9, 0.0, -0.5], [0.0, 0.1, 0.8, 0.1], [0.7, 0.0, 0.1, 0.0]])
    assert order_into_blocks(signed, signed, groups).tolist() == [1, 3, 2, 0]


def test_both_matrices_show_the_chosen_latents_in_one_order_on_a_scale_around_zero():
    rng = np.random.default_rng(0)
    size, signed = rng.random((3, 5)), rng.uniform(-1, 1, (3, 5))
    groups, chosen = np.array([0, 0, 1]), np.array([1, 3, 4])
    figure = draw_correlations(size, signed, ("a", "b", "c"), groups, chosen)
    top, bottom = figure.axes[:2]
    order = chosen[order_into_blocks(size[:, chosen], signed[:, chosen], groups)]
    np.testing.assert_array_equal(top.images[0].get_array(), size[:, order])
    np.testing.assert_array_equal(bottom.images[0].get_array(), signed[:, order])
    for axes in (top, bottom):
        assert axes.images[0].get_clim() == (-1, 1)
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(latent) for latent in order]
        assert [line.get_ydata()[0] for line in axes.lines] == [1.5]  # between the two groups
