import numpy as np

from vsc_jax.figures.grid import draw_latent_grid, grid_codes, spanned


def test_the_span_ignores_examples_in_which_the_latent_is_off():
    codes = np.concatenate([np.zeros(900), np.linspace(2, 4, 101)])[:, None]
    values = spanned(codes, 0, 3)
    np.testing.assert_allclose(values, [2.02, 3.0, 3.98])


def test_a_latent_that_is_never_on_still_has_a_range():
    np.testing.assert_array_equal(spanned(np.zeros((5, 1)), 0, 3), [-1, 0, 1])


def test_a_grid_varies_two_latents_and_keeps_the_others():
    codes = np.random.default_rng(0).normal(size=(500, 4))
    base = np.array([9.0, 8, 7, 6])
    grid = grid_codes(base, codes, (2, 0), count=5)
    assert grid.codes.shape == (5, 5, 4)
    np.testing.assert_array_equal(grid.codes[..., [1, 3]], np.broadcast_to([8.0, 6], (5, 5, 2)))
    np.testing.assert_array_equal(grid.codes[1, :, 2], grid.x)
    np.testing.assert_array_equal(grid.codes[:, 3, 0], grid.y)
    assert (np.diff(grid.x) > 0).all()


def test_values_grow_to_the_right_and_upwards_and_pictures_stay_upright():
    pictures = np.zeros((2, 3, 4, 4))
    pictures[1, 2, 0, 0] = 1  # the highest values of both; a mark in the picture's top left corner
    axes = draw_latent_grid(pictures, np.array([-1.0, 0, 1]), np.array([5.0, 6.0]), (3, 8)).axes[0]
    pixels = np.asarray(axes.images[0].get_array())
    assert np.argwhere(pixels).tolist() == [[0, 8]]  # top row of tiles, third column, its top left corner
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["6.0", "5.0"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["-1.0", "0.0", "1.0"]
    assert axes.get_xlabel() == "value of latent 3"
    assert axes.get_ylabel() == "value of latent 8"
