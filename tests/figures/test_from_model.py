import numpy as np
import pytest

from vsc_jax.data import smiley
from vsc_jax.figures.from_model import (
    Shown,
    conditional_samples,
    correlations,
    draw_all,
    latent_grid,
    pseudo_inputs,
    reconstructions,
    traversals,
)

GATES = {"gate_histogram", "latent_density"}
PICTURES = {"reconstructions", "interpolations", "traversals", "latent_grid"}


@pytest.fixture(scope="module")
def shown(digits, make_model):
    return Shown(make_model(digits, "vsc"), digits, seed=0)


def test_a_vsc_on_labelled_images_has_every_figure_but_correlations(digits, make_model):
    figures = draw_all(make_model(digits, "vsc"), digits, seed=0)
    assert set(figures) == PICTURES | GATES | {"activation", "pseudo_inputs", "conditional_samples"}


def test_the_fixed_prior_has_no_pseudo_inputs_but_is_sampled(digits, vectors, make_model):
    model = make_model(digits, "vsc", prior="fixed")
    assert conditional_samples(Shown(model, digits, seed=0), model).axes
    figures = draw_all(make_model(vectors, "vsc", prior="fixed"), vectors, seed=0)
    assert set(figures) == {"reconstructions"} | GATES


def test_models_without_gates_have_no_figures_of_gates(digits, make_model):
    figures = draw_all(make_model(digits, "vae"), digits, seed=0)
    assert set(figures) == PICTURES | {"activation"}


def test_faces_have_correlations_with_their_18_features(faces, make_model):
    axes = correlations(Shown(make_model(faces, "vsc"), faces, seed=0)).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(smiley.FACTORS)
    assert len(axes.lines) == 3  # between four attributes


def test_vectors_have_no_figures_of_pictures(vectors, make_model):
    figures = draw_all(make_model(vectors, "vsc"), vectors, seed=0)
    assert set(figures) == {"reconstructions", "pseudo_inputs"} | GATES


def test_signals_are_drawn_as_lines_not_as_pictures(signals, make_model):
    model = make_model(signals, "ae")
    figures = draw_all(model, signals, seed=0)
    assert set(figures) == {"reconstructions"}
    panels = figures["reconstructions"].axes
    assert len(panels) == 5 * 4  # channels by clean and noisy of two examples
    assert [axes.get_ylabel() for axes in panels[::4]] == list("abcde")
    for row, axes in enumerate(panels[::4]):
        line, output = axes.lines
        np.testing.assert_array_equal(line.get_ydata(), signals.test.x[0, :, row])
        expected = model.reconstruct(signals.test.x[:2])[0, :, row]
        np.testing.assert_allclose(output.get_ydata(), expected, atol=1e-5)


def test_one_latent_has_no_grid(digits, make_model):
    assert "latent_grid" not in draw_all(make_model(digits, "ae", latents=1), digits, seed=0)


def test_the_code_shown_is_the_model_s_sparse_code(shown, digits):
    np.testing.assert_allclose(shown.code, shown.model.code(digits.test.x), atol=1e-6)
    assert (shown.code == 0).any()


def test_reconstructions_are_the_model_s_own(shown, digits):
    drawn = np.asarray(reconstructions(shown).axes[0].images[0].get_array())
    np.testing.assert_allclose(drawn[9:17, 0:8], shown.model.reconstruct(digits.test.x[:1])[0], atol=1e-6)
    np.testing.assert_allclose(drawn[0:8, 9:17], digits.test.x[1] / 255, atol=1e-6)


def test_examples_are_of_different_classes(shown):
    assert sorted(shown.test.labels[shown.examples(3)]) == [0, 1, 2]
    assert len(set(shown.examples(7))) == 7


def test_the_grid_varies_two_latents_that_are_on_in_the_image(shown):
    axes = latent_grid(shown, example=1).axes[0]
    pair = [int(text.split()[-1]) for text in (axes.get_xlabel(), axes.get_ylabel())]
    assert (shown.code[1, pair] != 0).all()


def test_traversals_begin_with_the_latents_that_are_on(shown):
    axes = traversals(shown, example=2).axes[0]
    names = [tick.get_text().split("\n")[0] for tick in axes.get_yticklabels()][1:]
    on = ["(on" in name for name in names]
    assert on == sorted(on, reverse=True)
    assert sum(on) == np.count_nonzero(shown.code[2, shown.used])


def test_a_pseudo_input_serves_the_examples_whose_tightest_component_it_is(shown):
    figure = pseudo_inputs(shown, shown.model)
    shares = [float(tick.get_text().split()[1].rstrip("%")) for tick in figure.axes[1].get_yticklabels()]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert shares == sorted(shares, reverse=True)


def test_conditional_samples_keep_the_number_of_latents_that_are_on(shown):
    axes = conditional_samples(shown, shown.model).axes[0]
    active = np.count_nonzero(shown.code[shown.examples(5)], axis=1)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [f"{count} on" for count in active]
