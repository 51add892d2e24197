import numpy as np
import pytest

from vsc_jax.figures.history import draw_history

SCHEDULE = {"learning_rate": 1.0, "kl": 0.5, "warm_up": 1.0, "sparsity": 1.0, "prior_blend": 0.25}
ON = r"Latents that are on ($\gamma$ above 1/2)"


def rows(*, sparse=True, variational=True, count=40):
    result = []
    for i in range(count):
        row = {"step": 10 * (i + 1), "reconstruction": -500.0 / (i + 1) - 80, "gradient_norm": 2.0}
        if variational:
            row |= {"kl": 20.0, "elbo": row["reconstruction"] - 20}
        if sparse:
            row |= {"selection_kl": 3.0, "sparsity_kl": 0.5, "active_per_image": 7.0 + i}
        result.append({**row, "schedule": {**SCHEDULE, "sharpness": 1.0 + i / 10}})
    return result


def panels(history):
    """By title the axes, and by name in the legend the values of the curves."""
    axes = {axes.get_title(loc="left"): axes for axes in draw_history(history).figure.axes}
    curves = {t: {line.get_label(): line.get_ydata() for line in a.lines} for t, a in axes.items()}
    return axes, curves


def test_a_sparse_model_shows_bound_parts_gates_gradient_and_all_schedules():
    history = rows()
    axes, curves = panels(history)
    assert list(axes) == [
        *("Bound and reconstruction", "Divergences and regularizers", ON, "Gradient norm", "Schedules")
    ]
    bound = axes["Bound and reconstruction"]
    steps = [row["step"] for row in history]
    np.testing.assert_array_equal(bound.lines[0].get_xdata(), steps)
    np.testing.assert_array_equal(curves["Bound and reconstruction"]["bound"], [r["elbo"] for r in history])
    assert (bound.get_xlabel(), bound.get_ylabel()) == ("iteration", "nats")
    parts = ["KL", "its selection part", "sparsity term"]
    assert list(curves["Divergences and regularizers"]) == parts
    names = ["learning rate", "KL weight", r"warm-up $\lambda$", "sparsity weight", r"gate blend $\epsilon$"]
    assert list(curves["Schedules"]) == [*names, "gate slope c / 4.9"]
    np.testing.assert_array_equal(curves["Schedules"][r"gate blend $\epsilon$"], 0.25)
    assert curves["Schedules"]["gate slope c / 4.9"][-1] == 1
    # The first rows do not squeeze the bound.
    low, high = bound.get_ylim()
    assert -280 < low < high < -80


def test_no_legend_hides_a_curve():
    figure = draw_history(rows(count=4)).figure
    figure.draw_without_rendering()
    legends = [axes for axes in figure.axes if axes.get_legend()]
    assert len(legends) == 3
    for axes in legends:
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


def test_other_models_have_no_panels_of_what_they_have_not():
    axes, curves = panels(rows(sparse=False))
    parts = ["Divergences and regularizers", "Gradient norm", "Schedules"]
    assert list(axes) == ["Bound and reconstruction", *parts]
    assert list(curves["Schedules"]) == ["learning rate", "KL weight"]
    assert list(panels(rows(sparse=False, variational=False))[0]) == ["Reconstruction", *parts[1:]]


def test_one_row_is_a_point_and_rows_written_before_a_metric_existed_are_skipped():
    axes, _ = panels(rows(count=1))
    assert axes["Bound and reconstruction"].lines[0].get_marker() == "."
    history = rows(count=5)
    del history[0]["active_per_image"]
    np.testing.assert_array_equal(panels(history)[0][ON].lines[0].get_xdata(), [20, 30, 40, 50])


def test_the_facts_say_where_the_bound_ended_and_what_it_gained_over_the_last_tenth():
    values = np.linspace(-100, -50, 20)
    history = [{"step": 50 * (n + 1), "elbo": v, "reconstruction": v} for n, v in enumerate(values)]
    facts = {"quantity": "bound", "last": -50, "step": 1000, "gain": pytest.approx(100 / 19), "active": None}
    assert draw_history(history).facts == facts
    assert draw_history([{**history[0], "active_per_image": 8.25}]).facts["active"] == 8.25
    assert draw_history(history[:1]).facts["gain"] is None
    assert draw_history([{"step": 10, "reconstruction": -5.0}]).facts["quantity"] == "reconstruction"
    with pytest.raises(ValueError, match="at least one row"):
        draw_history([])
