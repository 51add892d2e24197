import numpy as np
import pytest

from vsc_jax.figures.reconstructions import Reconstructed, draw_reconstructions, draw_vector_reconstructions


def tile_at(axes, row, column, size=4):
    """One picture of a mosaic with gaps of one pixel."""
    top, left = row * (size + 1), column * (size + 1)
    return np.asarray(axes.images[0].get_array())[top : top + size, left : left + size]


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    clean = np.round(rng.random((3, 4, 4)) * 255).astype(np.uint8)
    return clean, rng.random((3, 4, 4)), rng.random((3, 4, 4)), rng.random((3, 4, 4))


def test_input_reconstruction_and_squared_error_stand_under_each_other(images):
    clean, output, _, _ = images
    figure = draw_reconstructions(clean, [Reconstructed(clean, output, "clean")])
    pictures, errors = figure.axes[:2]
    for column in range(3):
        np.testing.assert_allclose(tile_at(pictures, 0, column), clean[column] / 255)
        np.testing.assert_allclose(tile_at(pictures, 1, column), output[column])
        np.testing.assert_allclose(tile_at(errors, 0, column), (output[column] - clean[column] / 255) ** 2)
    assert pictures.get_title(loc="left") == "Clean input"
    assert figure.get_suptitle()


def test_the_error_of_a_noisy_input_is_against_the_clean_image(images):
    clean, output, noisy, denoised = images
    parts = [Reconstructed(clean, output, "clean"), Reconstructed(noisy, denoised, "noisy")]
    figure = draw_reconstructions(clean, parts)
    _, _, pictures, errors = figure.axes[:4]
    expected = (denoised - clean / 255) ** 2
    np.testing.assert_allclose(tile_at(pictures, 0, 1), noisy[1])
    np.testing.assert_allclose(tile_at(errors, 0, 1), expected[1])
    sums = [tick.get_text() for tick in errors.get_xticklabels()]
    assert sums == [f"{value:.1f}" for value in expected.sum(axis=(1, 2))]


def test_clean_and_noisy_errors_share_one_colour_scale(images):
    clean, output, noisy, denoised = images
    parts = [Reconstructed(clean, output, "clean"), Reconstructed(noisy, denoised, "noisy")]
    figure = draw_reconstructions(clean, parts)
    limits = [figure.axes[i].images[0].get_clim() for i in (1, 3)]
    highest = max(((y - clean / 255) ** 2).max() for y in (output, denoised))
    assert limits == [(0, pytest.approx(highest))] * 2


def test_a_perfect_reconstruction_can_be_drawn(images):
    clean = images[0]
    figure = draw_reconstructions(clean, [Reconstructed(clean, clean, "clean")])
    assert figure.axes[1].images[0].get_clim() == (0, 1)


def test_vectors_are_drawn_as_curves_with_their_error():
    clean = np.array([[0.0, 1, 2], [3, 4, 5]])
    output = clean + np.array([[1.0, 0, 0], [0, 2, 0]])
    noisy = clean + 0.5
    parts = [Reconstructed(clean, output, "clean"), Reconstructed(noisy, output, "noisy")]
    figure = draw_vector_reconstructions(clean, parts)
    panels = np.array(figure.axes).reshape(2, 2)
    np.testing.assert_array_equal(panels[1, 0].lines[0].get_ydata(), clean[1])
    np.testing.assert_array_equal(panels[1, 1].lines[0].get_ydata(), noisy[1])
    np.testing.assert_array_equal(panels[1, 1].lines[1].get_ydata(), output[1])
    assert "squared error 4" in panels[1, 1].get_title(loc="left")
    assert panels[1, 0].get_xlabel() == "dimension"
    assert panels[1, 0].get_ylabel() == "value"
