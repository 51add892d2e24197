import numpy as np
import pytest

from vsc_jax.figures.interpolation import Interpolation, continuous_path, discrete_path, draw_interpolations

START = np.array([1.0, 0, -2, 0, 5])
END = np.array([0.0, 3, 4, -6, 5])


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


@pytest.mark.parametrize("most", [2, 3, 4])
def test_a_long_path_is_thinned_but_keeps_its_ends(most):
    path = discrete_path(START, END, most)
    assert len(path.codes) == len(path.names) == most
    np.testing.assert_array_equal(path.codes[[0, -1]], [START, END])
    changes = np.count_nonzero(np.diff(path.codes, axis=0), axis=1)
    assert ["…" in name for name in path.names[1:]] == (changes > 1).tolist()


def test_a_path_between_equal_codes_is_one_step():
    assert discrete_path(START, START).names == ["start"]


def test_each_pair_shows_its_discrete_path_over_its_straight_one():
    rng = np.random.default_rng(0)
    short, line = discrete_path(START, END, 3), continuous_path(START, END, 4)
    discrete, straight = rng.random((3, 4, 4)), rng.random((4, 4, 4))
    figure = draw_interpolations([Interpolation(discrete, short)], [Interpolation(straight, line)])
    top, bottom = figure.axes
    np.testing.assert_array_equal(np.asarray(top.images[0].get_array())[:, 10:14], discrete[2])
    assert np.ma.getmaskarray(top.images[0].get_array())[:, 15:].all()
    np.testing.assert_array_equal(np.asarray(bottom.images[0].get_array())[:, 15:], straight[3])
    assert [tick.get_text() for tick in top.get_xticklabels()] == short.names
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == line.names


def test_a_model_without_gates_has_straight_lines_alone():
    line = continuous_path(START, END, 4)
    figure = draw_interpolations([], [Interpolation(np.zeros((4, 4, 4)), line)] * 2)
    assert len(figure.axes) == 2
    assert "support" not in figure.get_suptitle()
