import numpy as np
import pytest

from vsc_jax.figures.sparsity import draw_gate_histogram, draw_latent_density


def test_the_histogram_counts_every_gate_and_the_title_the_undecided_ones():
    gamma = np.array([[0.0, 1.0, 0.5, 0.99], [0.01, 0.999, 0.3, 0.95]])
    figure = draw_gate_histogram(gamma)
    axes = figure.axes[0]
    bars = [patch for patch in axes.patches if patch.get_width() == pytest.approx(0.02)]
    assert sum(patch.get_height() for patch in bars) == 8
    assert "25.0%" in figure.get_suptitle()
    assert axes.get_xlim() == (0, 1)
    assert axes.get_yscale() == "log"


def test_densities_are_sorted_and_used_and_dead_latents_are_counted():
    gamma = np.zeros((200, 4))
    gamma[:100, 2] = 0.9
    gamma[:, 0] = 0.9
    gamma[:1, 3] = 0.9  # on in half a percent: neither used nor dead
    figure = draw_latent_density(gamma > 0.5)
    left, right = figure.axes
    assert [bar.get_height() for bar in left.containers[0]] == [1, 0.5, 0.005, 0]
    assert figure.get_suptitle() == "2 of 4 latents are used, 1 never on; 1.5 are on in an example"
    shares = [patch.get_height() for patch in right.patches]
    np.testing.assert_allclose(shares, [99 / 200, 101 / 200 - 1 / 200 + 0 / 200, 1 / 200], atol=0.011)
    assert sum(shares) == pytest.approx(1)
    assert left.get_ylabel() == right.get_ylabel() == "share of examples"


def test_a_code_that_is_all_off_can_be_drawn():
    figure = draw_latent_density(np.zeros((5, 3), bool))
    assert figure.get_suptitle().startswith("0 of 3 latents are used, 3 never on")
