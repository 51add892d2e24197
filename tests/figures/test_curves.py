import numpy as np
import pytest

from vsc_jax.figures.curves import Curve, draw_curves


def axes_of(against, *curves, **options):
    return draw_curves(against, curves, **options).axes[0]


def test_a_curve_is_sorted_and_has_bars_of_one_standard_deviation(ticks):
    axes = axes_of("model.alpha", Curve("VSC", [0.5, 0.1], [-100.0, -104.0], [1.0, 2.0]), quantity="iwae")
    line, _, (bars,) = axes.containers[0]
    np.testing.assert_array_equal(line.get_xydata(), [[0.1, -104], [0.5, -100]])
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_array_equal(ends, [[-106, -102], [-101, -99]])
    assert axes.get_xscale() == "log"
    assert ticks(axes) == ["0.1", "0.5"]
    assert axes.get_ylabel() == "iwae (nats per example)"
    assert "sd" in axes.get_legend().get_title().get_text()


def test_a_model_without_the_setting_is_a_level_line():
    axes = axes_of("model.alpha", Curve("VSC", [0.1, 0.2], [-1, -2]), Curve("VAE", None, [-3.0], [0.5]))
    level = next(line for line in axes.lines if line.get_label() == "VAE")
    np.testing.assert_array_equal(level.get_ydata(), [-3, -3])
    [band] = axes.patches
    assert (band.get_y(), band.get_height()) == (-3.5, 1)
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"VSC", "VAE"}


@pytest.mark.parametrize(
    ("settings", "scale"), [([0.001, 0.01], "log"), ([1.0, 4.0], "linear"), ([0.0, 10.0], "linear")]
)
def test_any_setting_is_named_and_logarithmic_where_it_spans_a_decade(settings, scale):
    axes = axes_of("train.rate", Curve("a", settings, [-3.0, -2.0]))
    assert (axes.get_xscale(), axes.get_xlabel()) == (scale, "train.rate")


def test_active_latents_have_bars_of_their_own_and_a_logarithmic_axis_over_a_decade(ticks):
    axes = axes_of("active_per_image", Curve("VSC", [7.0], [-100.0], [1.0], [0.5]))
    _, _, (horizontal, vertical) = axes.containers[0]
    np.testing.assert_array_equal(horizontal.get_segments()[0][:, 0], [6.5, 7.5])
    np.testing.assert_array_equal(vertical.get_segments()[0][:, 1], [-101, -99])
    assert axes.get_xlim()[0] == 0
    bounds = [-150.0, -97.0]
    axes = axes_of("active_per_image", Curve("VSC", [2.0, 10.0], bounds), Curve("VAE", [2.0, 200.0], bounds))
    assert axes.get_xscale() == "log"
    assert {"2", "10", "100", "200"} <= set(ticks(axes))


@pytest.mark.parametrize("against", ["model.alpha", "model.latents", "active_per_image", "train.rate"])
@pytest.mark.parametrize(("quantity", "scale"), [("true bound", 1), ("probe_accuracy", 100)])
def test_every_figure_has_a_title_and_named_axes_and_accuracies_are_in_percent(against, quantity, scale):
    figure = draw_curves(against, [Curve("VSC", [0.5], [0.5])], quantity)
    [axes] = figure.axes
    assert all([figure.get_suptitle(), axes.get_xlabel(), axes.get_ylabel()])
    assert axes.containers[0][0].get_ydata().tolist() == [0.5 * scale]
    assert ("%" in axes.get_ylabel()) == (scale == 100)
