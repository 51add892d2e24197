"""Figures of codes show what the codes are, and so do their facts."""

import dataclasses

import numpy as np
import pytest

from vsc_jax.data import smiley
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.figures import codes as figures

LABELS = np.arange(40) % 3


def gates(*columns):
    """Gate probabilities ``[40, 6]``: on where the columns say, near 0 elsewhere."""
    gamma = np.full((40, 6), 0.01, np.float32)
    for latent, on in enumerate(columns):
        gamma[on, latent] = 0.99
    return gamma


def test_class_means_order_latents_by_class_and_then_by_size():
    on = [[0, 0, 1, 0, 0.5], [0, 0, 1, 0, 0.5], [0, 0, 0, 1, 0], [0, 0, 0, 0.5, 0.2], [0, 1, 0, 0, 0]]
    means = figures.class_means(np.array(on), np.array([0, 0, 1, 1, 2]), 4)
    np.testing.assert_allclose(means[1], [0, 0, 0, 0.75, 0.1])
    assert np.isnan(means[3]).all()  # a class without examples
    assert figures.order_by_class(means).tolist() == [2, 4, 0, 3, 1]
    # By group, then by feature, then by strength.
    signed = np.array([[0.1, 0.9, 0.0, -0.5], [0.0, 0.1, 0.8, 0.1], [0.7, 0.0, 0.1, 0.0]])
    assert figures.order_into_blocks(signed, signed, np.array([0, 0, 1])).tolist() == [1, 3, 2, 0]


def test_both_maps_of_activation_show_the_same_latents_in_the_same_order(make_view, ticks):
    gamma = gates(LABELS == 2, LABELS == 0, (LABELS == 1) & (np.arange(40) < 20))
    figure, facts = figures.draw_activation(make_view(gamma=gamma, mean=np.full((40, 6), -2.0)))
    order = [1, 2, 0]
    share = figures.class_means(gamma > 0.5, LABELS, 3)[:, order]
    for axes, high in zip(figure.axes, (1, 2), strict=False):
        np.testing.assert_allclose(axes.images[0].get_array(), high * share)
        assert ticks(axes) == [str(latent) for latent in order]
        assert ticks(axes, "y") == ["zero", "one", "two"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent", "class")
        assert axes.images[0].get_clim() == (0, high)
    assert figure.get_suptitle().startswith("Class by class: 3 latents")
    assert "3 of 6 are left out" in figure.get_suptitle()
    assert facts == {
        **{"gated": True, "used": 3, "telling": 3, "latent": 0, "high": 1.0, "low": 0.0},
        **{"high_class": "two", "low_class": "zero"},
    }


@pytest.mark.parametrize("told", [0, 1, 38, 39])
def test_the_latent_that_the_sentence_names_has_a_tick(make_view, ticks, told):
    mean = np.ones((40, 40))
    mean[LABELS == 1, told] = 3
    figure, facts = figures.draw_activation(make_view("vae", latents=40, mean=mean))
    assert facts["latent"] == told
    assert str(told) in ticks(figure.axes[0])
    assert len(ticks(figure.axes[0])) <= figures.MOST_LATENT_NAMES


def test_without_gates_there_is_one_map_of_all_latents_of_which_as_many_are_named_as_fit(make_view, ticks):
    mean = np.ones((40, 6))
    mean[LABELS == 1, 4] = 3
    figure, facts = figures.draw_activation(make_view("vae", gamma=np.ones((40, 6), np.float32), mean=mean))
    assert len(figure.axes) == 2  # the map and its color bar
    assert figure.axes[0].images[0].get_array().shape == (3, 6)
    assert "left out" not in figure.get_suptitle()
    assert (facts["latent"], facts["high_class"], facts["high"], facts["low"]) == (4, "one", 3.0, 1.0)
    view, names = make_view("ae", latents=100), ("$10-$20", r"cost $\foo$")
    named = CodeView(view.model, dataclasses.replace(view.dataset, label_names=names))
    drawn = figures.draw_activation(named)
    assert 16 <= len(ticks(drawn.figure.axes[0])) <= 32
    assert drawn._repr_png_()  # a formula that cannot be parsed would stop here
    assert ticks(drawn.figure.axes[0], "y") == [*names, "2"]  # numbers stand for names that are missing


def test_the_histogram_counts_every_gate_and_the_title_the_undecided_ones(make_view):
    gamma = np.resize([0.0, 1.0, 0.5, 0.99, 0.01, 0.999, 0.3, 0.95], (40, 6)).astype(np.float32)
    figure, facts = figures.draw_gate_histogram(make_view(gamma=gamma))
    axes = figure.axes[0]
    bars = [patch for patch in axes.patches if patch.get_width() == pytest.approx(0.02)]
    assert sum(patch.get_height() for patch in bars) == 240
    assert figure.get_suptitle() == "25.0% of the gates are undecided, between 0.1 and 0.9"
    assert (axes.get_xlim(), axes.get_yscale()) == ((0, 1), "log")
    assert facts == {"off": 0.25, "on": 0.5, "deviation": pytest.approx(gamma.std(axis=0).max())}


def test_densities_are_sorted_and_used_dead_and_ever_present_latents_are_counted(make_view):
    figure, facts = figures.draw_latent_density(
        make_view(gamma=gates(slice(0, 20), slice(None), slice(0, 20)))
    )
    left, right = figure.axes
    assert [bar.get_height() for bar in left.containers[0]] == [1, 0.5, 0.5, 0, 0, 0]
    assert figure.get_suptitle() == "3 of 6 latents are used, 3 never on; 2.0 are on in an example"
    assert [patch.get_height() for patch in right.patches] == pytest.approx([0.5, 0, 0.5])
    assert left.get_ylabel() == right.get_ylabel() == "share of examples"
    assert facts == {"used": 3, "latents": 6, "always": 1, "active": 2.0, "low": 1.0, "high": 3.0}


def test_pseudo_inputs_and_their_supports_are_sorted_by_usage(make_view, tile_at, ticks):
    view = make_view()
    view.__dict__["nearest"] = np.repeat([2, 0], [32, 8])
    figure, facts = figures.draw_pseudo_inputs(view)
    top, bottom = figure.axes[:2]
    pictures, gamma = np.asarray(view.model.pseudo_inputs()), np.asarray(view.model.components().gamma)
    for column, number in enumerate([2, 0, 1, 3]):
        np.testing.assert_allclose(tile_at(top, 0, column), pictures[number], atol=1e-6)
    used = np.flatnonzero(gamma.max(axis=0) >= 0.5)
    order = used[np.argsort(-gamma[:, used].mean(axis=0), kind="stable")]
    np.testing.assert_allclose(bottom.images[0].get_array(), gamma[[2, 0, 1, 3]][:, order])
    assert ticks(bottom) == [str(latent) for latent in order]
    assert ticks(bottom, "y") == ["1: 80.0%", "2: 20.0%", "3: 0.0%", "4: 0.0%"]
    assert figure.get_suptitle() == "4 pseudo-inputs, most used first: 2 serve at least one example"
    active = (gamma > 0.5).sum(axis=1)
    shares = {"name": "pseudo-inputs", "serving": 2, "components": 4, "busiest": 0.8}
    assert facts == {**shares, "latents": 6, "fewest": active.min(), "most": active.max()}


def test_the_last_row_of_pseudo_inputs_may_be_short_and_vectors_show_the_supports_alone(make_view, tile_at):
    figure, _ = figures.draw_pseudo_inputs(make_view(pseudo_inputs=13))
    mask = np.ma.getmaskarray(figure.axes[0].images[0].get_array())
    assert not mask[9:17, 18:26].any()
    assert mask[9:17, 27:].all()
    # Of components there are no inputs: what is decoded from their means stands for them.
    view = make_view(prior="components")
    view.__dict__["nearest"] = np.arange(4)
    figure, facts = figures.draw_pseudo_inputs(view)
    p = view.model.components()
    pictures = np.asarray(view.model.decode(np.where(p.gamma > 0.5, p.mean, 0)))
    np.testing.assert_allclose(tile_at(figure.axes[0], 0, 3), pictures[3], atol=1e-6)
    assert facts["name"] == "components"
    assert figure.get_suptitle().startswith("4 components, most used first")
    # With all gates off every latent is shown.
    figure, _ = figures.draw_pseudo_inputs(make_view(data="vectors", initial_gate_logit=-20.0))
    assert len(figure.axes) == 2  # the map and its color bar
    assert figure.axes[0].images[0].get_array().shape == (4, 6)


def test_both_correlations_show_the_used_latents_in_one_order_on_a_scale_around_zero(make_view, ticks):
    hat = make_view(data="faces").test.factors[:, 5]
    mean = np.random.default_rng(0).normal(size=(40, 6))
    mean[:, 0] = 0  # never on
    mean[:, 3] = np.where(hat == 0, 1e-3, -hat)
    view = make_view(data="faces", mean=mean)
    figure, facts = figures.draw_correlations(view)
    size, signed = view.correlations()
    blocks = figures.order_into_blocks(size[:, 1:], signed[:, 1:], smiley.ATTRIBUTE_OF_FACTOR)
    for axes, matrix in zip(figure.axes, (size, signed), strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), matrix[:, 1 + blocks])
        assert axes.images[0].get_clim() == (-1, 1)
        assert ticks(axes, "y") == list(smiley.FACTORS)
        assert ticks(axes) == [str(1 + latent) for latent in blocks]
        assert len(axes.lines) == 3  # between four attributes
    assert (facts["high"], facts["high_feature"]) == (pytest.approx(1), "hat y")
    assert facts["low"] == pytest.approx(np.abs(signed).max(axis=1).min())
