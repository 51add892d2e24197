import numpy as np

from vsc_jax.figures.traversal import draw_traversals, traversal_codes


def test_each_row_changes_one_latent_off_and_over_its_range():
    codes = np.random.default_rng(0).normal(size=(400, 4))
    base = np.array([1.0, 0, -2, 3])
    result = traversal_codes(base, codes, np.array([2, 1]), count=5)
    assert result.codes.shape == (2, 6, 4)
    np.testing.assert_array_equal(result.codes[:, 0], [[1, 0, 0, 3], [1, 0, -2, 3]])
    np.testing.assert_array_equal(result.codes[0, 1:, 2], result.values[0])
    np.testing.assert_array_equal(result.codes[1, 1:, 1], result.values[1])
    np.testing.assert_array_equal(result.codes[0][:, [0, 1, 3]], np.broadcast_to([1.0, 0, 3], (6, 3)))
    np.testing.assert_allclose(result.values[0, [0, -1]], np.percentile(codes[:, 2], [1, 99]))


def drawn(latents, base):
    codes = np.random.default_rng(0).normal(size=(50, len(base)))
    result = traversal_codes(base, codes, np.array(latents), count=3)
    pictures = np.random.default_rng(1).random((len(latents), 4, 4, 4))
    return draw_traversals(np.full((4, 4), 0.5), pictures, result, base), pictures


def test_the_image_as_coded_stands_over_one_row_a_latent():
    figure, pictures = drawn([2, 1], np.array([1.0, 0, -2]))
    axes = figure.axes[0]
    pixels = axes.images[0].get_array()
    np.testing.assert_array_equal(pixels[0:4, 0:4], 0.5)
    assert np.ma.getmaskarray(pixels)[0:4, 4:].all()
    np.testing.assert_array_equal(pixels[5:9, 0:4], pictures[0, 0])
    np.testing.assert_array_equal(pixels[10:14, 15:19], pictures[1, 3])
    names = [tick.get_text().split("\n")[0] for tick in axes.get_yticklabels()]
    assert names == ["as coded", "2 (on: -2.0)", "1 (off)"]


def test_many_latents_are_set_in_two_blocks():
    base = np.ones(12)
    figure, pictures = drawn(list(range(12)), base)
    left, right = figure.axes
    assert [tick.get_text().split()[0] for tick in right.get_yticklabels()] == [
        "6",
        "7",
        "8",
        "9",
        "10",
        "11",
    ]
    np.testing.assert_array_equal(np.asarray(right.images[0].get_array())[0:4, 0:4], pictures[6, 0])
    assert len(left.get_yticklabels()) == 7


def test_in_a_dense_code_no_latent_is_called_on():
    figure, _ = drawn([0], np.array([1.5, 2.0]))
    assert figure.axes[0].get_yticklabels()[1].get_text().startswith("0 (1.5)")
