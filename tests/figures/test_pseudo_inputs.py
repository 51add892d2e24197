import numpy as np

from vsc_jax.figures.pseudo_inputs import draw_pseudo_inputs

GAMMA = np.array([[1.0, 0.0, 0.2, 0.9], [0.9, 0.0, 0.0, 0.1], [1.0, 0.0, 0.8, 0.9]])
USAGE = np.array([0.2, 0.0, 0.8])


def test_images_and_supports_are_sorted_by_usage():
    pictures = np.random.default_rng(0).random((3, 4, 4))
    figure = draw_pseudo_inputs(pictures, GAMMA, USAGE)
    top, bottom = figure.axes[:2]
    np.testing.assert_array_equal(np.asarray(top.images[0].get_array())[:, 0:4], pictures[2])
    np.testing.assert_array_equal(np.asarray(top.images[0].get_array())[:, 5:9], pictures[0])
    np.testing.assert_array_equal(bottom.images[0].get_array(), GAMMA[[2, 0, 1]][:, [0, 3, 2]])
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["0", "3", "2"]
    assert [tick.get_text() for tick in bottom.get_yticklabels()] == ["1: 80.0%", "2: 20.0%", "3: 0.0%"]
    assert figure.get_suptitle() == "3 pseudo-inputs, most used first: 2 serve at least one example"


def test_the_last_row_of_images_may_be_short():
    figure = draw_pseudo_inputs(np.ones((13, 4, 4)), np.ones((13, 2)), np.full(13, 1 / 13))
    mask = np.ma.getmaskarray(figure.axes[0].images[0].get_array())
    assert not mask[5:9, 10:14].any()
    assert mask[5:9, 15:].all()


def test_vectors_show_the_supports_alone():
    figure = draw_pseudo_inputs(None, GAMMA, USAGE)
    assert len(figure.axes) == 2  # the map and its colour bar


def test_pseudo_inputs_with_everything_off_can_be_drawn():
    figure = draw_pseudo_inputs(None, np.full((3, 4), 0.01), USAGE)
    assert figure.axes[0].images[0].get_array().shape == (3, 4)
