"""Codes that are made from codes."""

import numpy as np
import pytest

from vsc_jax.evaluation.latent_space import (
    continuous_path,
    discrete_path,
    grid_codes,
    spanned,
    traversal_codes,
)

START = np.array([1.0, 0, -2, 0, 5])
END = np.array([0.0, 3, 4, -6, 5])


def test_the_span_ignores_examples_in_which_the_latent_is_off():
    codes = np.concatenate([np.zeros(900), np.linspace(2, 4, 101)])[:, None]
    np.testing.assert_allclose(spanned(codes, 0, 3), [2.02, 3.0, 3.98])
    np.testing.assert_array_equal(spanned(np.zeros((5, 1)), 0, 3), [-1, 0, 1])  # never on


def test_a_grid_varies_two_latents_and_keeps_the_others():
    codes = np.random.default_rng(0).normal(size=(500, 4))
    grid = grid_codes(np.array([9.0, 8, 7, 6]), codes, (2, 0), count=5)
    assert grid.codes.shape == (5, 5, 4)
    np.testing.assert_array_equal(grid.codes[..., [1, 3]], np.broadcast_to([8.0, 6], (5, 5, 2)))
    np.testing.assert_array_equal(grid.codes[1, :, 2], grid.x)
    np.testing.assert_array_equal(grid.codes[:, 3, 0], grid.y)
    assert (np.diff(grid.x) > 0).all()


def test_each_row_of_a_traversal_changes_one_latent_off_and_over_its_range():
    codes = np.random.default_rng(0).normal(size=(400, 4))
    result = traversal_codes(np.array([1.0, 0, -2, 3]), codes, np.array([2, 1]), count=5)
    assert result.codes.shape == (2, 6, 4)
    np.testing.assert_array_equal(result.codes[:, 0], [[1, 0, 0, 3], [1, 0, -2, 3]])
    np.testing.assert_array_equal(result.codes[0, 1:, 2], result.values[0])
    np.testing.assert_array_equal(result.codes[1, 1:, 1], result.values[1])
    np.testing.assert_array_equal(result.codes[0][:, [0, 1, 3]], np.broadcast_to([1.0, 0, 3], (6, 3)))
    np.testing.assert_allclose(result.values[0, [0, -1]], np.percentile(codes[:, 2], [1, 99]))


def test_the_continuous_path_is_the_straight_line():
    path = continuous_path(START, END, 5)
    np.testing.assert_array_equal(path.codes[[0, -1]], [START, END])
    np.testing.assert_allclose(path.codes[1], 0.75 * START + 0.25 * END)
    assert path.names[1] == "0.25"


def test_the_discrete_path_changes_one_latent_a_step_and_unites_the_supports_half_way():
    path = discrete_path(START, END)
    assert path.names == ["start", "+3", "+1", "~2", "-0"]
    np.testing.assert_array_equal(path.codes[[0, -1]], [START, END])
    assert (np.count_nonzero(np.diff(path.codes, axis=0), axis=1) == 1).all()
    np.testing.assert_array_equal(path.codes[3] != 0, (START != 0) | (END != 0))
    assert np.isin(path.codes, np.concatenate([START, END])).all()
    assert discrete_path(START, START).names == ["start"]


@pytest.mark.parametrize("most", [2, 3, 4])
def test_a_long_path_is_thinned_but_keeps_its_ends(most):
    path = discrete_path(START, END, most)
    assert len(path.codes) == len(path.names) == most
    np.testing.assert_array_equal(path.codes[[0, -1]], [START, END])
    changes = np.count_nonzero(np.diff(path.codes, axis=0), axis=1)
    assert ["…" in name for name in path.names[1:]] == (changes > 1).tolist()
