import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from vsc_jax.figures import style


def tiled(pictures, **options):
    axes = Figure().subplots()
    return style.show_tiles(axes, pictures, **options), axes


def test_tiles_keep_every_picture_upright_and_in_reading_order(ticks):
    pictures = np.arange(2 * 3 * 2 * 4, dtype=float).reshape(2, 3, 2, 4)
    image, axes = tiled(pictures, rows=("a", "b"), columns=("c", "d", "e"))
    pixels = image.get_array()
    assert pixels.shape == (5, 14)
    np.testing.assert_array_equal(pixels[0:2, 5:9], pictures[0, 1])
    np.testing.assert_array_equal(pixels[3:5, 10:14], pictures[1, 2])
    assert image.origin == "upper"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    np.testing.assert_array_equal(axes.get_yticks(), [0.5, 3.5])
    np.testing.assert_array_equal(axes.get_xticks(), [1.5, 6.5, 11.5])
    assert ticks(axes) == ["c", "d", "e"]


def test_gaps_and_pictures_of_nan_stay_blank():
    pictures = style.padded(np.ones((1, 2, 2)), 2)[None]
    blank = np.ma.getmaskarray(tiled(pictures)[0].get_array())
    np.testing.assert_array_equal(blank, [[False, False, True, True, True]] * 2)


def test_color_pictures_keep_their_colors_and_get_transparent_gaps_and_one_channel_is_gray():
    pictures = np.zeros((1, 2, 2, 2, 3))
    pictures[..., 0] = 0.25
    pixels = tiled(pictures)[0].get_array()
    assert pixels.shape == (2, 5, 4)
    np.testing.assert_array_equal(pixels[0, 0], [0.25, 0, 0, 1])
    np.testing.assert_array_equal(pixels[:, 2, 3], [0, 0])
    pictures = np.random.default_rng(0).random((1, 2, 3, 3, 1))
    np.testing.assert_array_equal(tiled(pictures, gap=0)[0].get_array()[:, :3], pictures[0, 0, :, :, 0])


@pytest.mark.parametrize("stored", [np.array([[0, 51, 255]], np.uint8), np.array([[-1.0, 0.2, 7.0]])])
def test_stored_bytes_and_floats_show_the_same_picture(stored):
    np.testing.assert_allclose(style.as_pictures(stored), [[0, 0.2, 1]])


def test_long_titles_are_broken_into_lines_of_about_one_length():
    first, second = style.new_figure(2.0, "word " * 25).get_suptitle().split("\n")
    assert abs(len(first) - len(second)) <= 5


def test_numbers_have_no_negative_zero():
    assert [style.number(value) for value in (-0.04, 0.06, -1.25)] == ["0.0", "0.1", "-1.2"]


def test_a_figure_is_as_wide_as_it_says_and_leaves_matplotlib_s_global_state_alone():
    before = dict(mpl.rcParams)
    figure = style.new_figure(1.0, "Title")
    style.label(figure.subplots(), "a", "b", "c")
    png = style.as_png(figure)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20]) == 900  # pixels wide
    assert dict(mpl.rcParams) == before
