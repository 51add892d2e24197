import numpy as np
import pytest

from vsc_jax.figures.curves import Curve, draw_curves


def test_a_curve_is_sorted_and_has_bars_of_one_standard_deviation(ticks):
    curve = Curve("VSC", np.array([0.5, 0.1]), np.array([-100.0, -104.0]), np.array([1.0, 2.0]))
    axes = draw_curves("model.alpha", [curve]).axes[0]
    line, _, (bars,) = axes.containers[0]
    np.testing.assert_array_equal(line.get_xdata(), [0.1, 0.5])
    np.testing.assert_array_equal(line.get_ydata(), [-104, -100])
    np.testing.assert_array_equal(
        [segment[:, 1] for segment in bars.get_segments()], [[-106, -102], [-101, -99]]
    )
    assert axes.get_xscale() == "log"
    assert ticks(axes) == ["0.1", "0.5"]
    assert axes.get_ylabel() == "true bound (nats an example)"
    assert "sd" in axes.get_legend().get_title().get_text()


def test_a_model_without_the_setting_is_a_level_line():
    curves = [
        Curve("VSC", np.array([0.1, 0.2]), np.array([-1.0, -2.0])),
        Curve("VAE", None, np.array([-3.0]), np.array([0.5])),
    ]
    axes = draw_curves("model.alpha", curves).axes[0]
    level = next(line for line in axes.lines if line.get_label() == "VAE")
    np.testing.assert_array_equal(level.get_ydata(), [-3, -3])
    [band] = axes.patches
    assert (band.get_y(), band.get_height()) == (-3.5, 1)
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"VSC", "VAE"}


def test_bounds_against_latents_name_the_numbers_that_were_run(ticks):
    latents = np.array([2, 60, 200])
    axes = draw_curves("model.latents", [Curve("VSC", latents, [-150.0, -104, -102])], "iwae").axes[0]
    assert ticks(axes) == ["2", "60", "200"]
    assert axes.get_ylabel() == "iwae (nats an example)"


def test_any_setting_is_named_and_logarithmic_where_it_spans_a_decade():
    for settings, scale in (([0.001, 0.01], "log"), ([1.0, 4.0], "linear"), ([0.0, 10.0], "linear")):
        axes = draw_curves("train.rate", [Curve("a", settings, [-3.0, -2.0])]).axes[0]
        assert axes.get_xscale() == scale
        assert axes.get_xlabel() == "train.rate"
        assert axes.get_ylabel() == "true bound (nats an example)"


def test_active_latents_are_measured_and_have_bars_of_their_own():
    curve = Curve("VSC", np.array([7.0]), np.array([-100.0]), np.array([1.0]), np.array([0.5]))
    axes = draw_curves("active_per_image", [curve]).axes[0]
    _, _, (horizontal, vertical) = axes.containers[0]
    np.testing.assert_array_equal(horizontal.get_segments()[0][:, 0], [6.5, 7.5])
    np.testing.assert_array_equal(vertical.get_segments()[0][:, 1], [-101, -99])
    assert axes.get_xlim()[0] == 0


def test_latents_that_are_on_have_a_logarithmic_axis_where_they_span_a_decade(ticks):
    curves = [
        Curve("VSC", np.array([2.0, 10.0]), np.array([-150.0, -97.0])),
        Curve("VAE", np.array([2.0, 200.0]), np.array([-150.0, -101.0])),
    ]
    axes = draw_curves("active_per_image", curves).axes[0]
    assert axes.get_xscale() == "log"
    assert {"2", "10", "100", "200"} <= set(ticks(axes))


def test_accuracies_are_shown_in_percent():
    axes = draw_curves("model.latents", [Curve("VSC", [2, 8], [0.5, 0.9])], "probe_accuracy").axes[0]
    np.testing.assert_allclose(axes.containers[0][0].get_ydata(), [50, 90])
    assert "%" in axes.get_ylabel()


@pytest.mark.parametrize("against", ["model.alpha", "model.latents", "active_per_image", "train.rate"])
@pytest.mark.parametrize("quantity", ["true bound", "probe_accuracy"])
def test_every_figure_has_a_title_and_named_axes(against, quantity):
    figure = draw_curves(against, [Curve("VSC", [0.5], [0.5])], quantity)
    assert figure.get_suptitle()
    assert figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylabel()
