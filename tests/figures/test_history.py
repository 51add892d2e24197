import numpy as np
import pytest

from vsc_jax.figures.history import draw_history

SCHEDULE = {"learning_rate": 1.0, "kl": 0.5, "warm_up": 1.0, "sparsity": 1.0, "prior_blend": 0.25}


def rows(*, sparse, variational=True, count=40):
    result = []
    for i in range(count):
        row = {"step": 10 * (i + 1), "reconstruction": -500.0 / (i + 1) - 80, "gradient_norm": 2.0}
        if variational:
            row |= {"kl": 20.0, "elbo": row["reconstruction"] - 20}
        if sparse:
            row |= {"selection_kl": 3.0, "sparsity_kl": 0.5, "active_per_image": 7.0 + i}
        result.append({**row, "schedule": {**SCHEDULE, "sharpness": 1.0 + i / 10}})
    return result


def panels(drawn):
    return {axes.get_title(loc="left"): axes for axes in drawn.figure.axes}


def curve(axes, name):
    return next(line for line in axes.lines if line.get_label() == name)


def test_a_sparse_model_shows_bound_parts_gates_gradient_and_all_schedules():
    history = rows(sparse=True)
    shown = panels(draw_history(history))
    assert len(shown) == 5
    bound = shown["Bound and reconstruction"]
    np.testing.assert_array_equal(curve(bound, "bound").get_xdata(), [row["step"] for row in history])
    np.testing.assert_array_equal(curve(bound, "bound").get_ydata(), [row["elbo"] for row in history])
    assert bound.get_ylabel() == "nats"
    assert bound.get_xlabel() == "iteration"
    parts = [line.get_label() for line in shown["Divergences and regularizers"].lines]
    assert parts == ["KL", "its selection part", "sparsity term"]
    assert [line.get_label() for line in shown["Schedules"].lines] == [
        *("learning rate", "KL weight", r"warm-up $\lambda$", "sparsity weight", r"gate blend $\epsilon$"),
        "gate slope c / 4.9",
    ]
    np.testing.assert_array_equal(curve(shown["Schedules"], r"gate blend $\epsilon$").get_ydata(), 0.25)
    assert curve(shown["Schedules"], "gate slope c / 4.9").get_ydata()[-1] == 1


def test_no_legend_hides_a_curve():
    figure = draw_history(rows(sparse=True, count=4)).figure
    figure.draw_without_rendering()
    legends = [axes for axes in figure.axes if axes.get_legend()]
    assert len(legends) == 3
    for axes in legends:
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


def test_other_models_have_no_panels_of_what_they_have_not():
    shown = panels(draw_history(rows(sparse=False)))
    expected = {"Bound and reconstruction", "Divergences and regularizers", "Gradient norm", "Schedules"}
    assert set(shown) == expected
    assert [line.get_label() for line in shown["Schedules"].lines] == ["learning rate", "KL weight"]
    shown = panels(draw_history(rows(sparse=False, variational=False)))
    assert set(shown) == {"Reconstruction", "Gradient norm", "Schedules"}


def test_the_first_rows_do_not_squeeze_the_bound():
    low, high = panels(draw_history(rows(sparse=True, count=100)))["Bound and reconstruction"].get_ylim()
    assert low == pytest.approx(-80 - 500 / 6 - 20, abs=15)
    assert high > -85


def test_one_row_is_a_point_and_not_an_empty_panel():
    shown = panels(draw_history(rows(sparse=True, count=1)))
    assert shown["Bound and reconstruction"].lines[0].get_marker() == "."


def test_rows_written_before_a_metric_existed_are_skipped():
    history = rows(sparse=True, count=5)
    del history[0]["active_per_image"]
    line = panels(draw_history(history))[r"Latents that are on ($\gamma$ above 1/2)"].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [20, 30, 40, 50])


def test_the_facts_say_where_the_bound_ended_and_what_it_gained_over_the_last_tenth():
    values = np.linspace(-100, -50, 20)
    history = [{"step": 50 * (n + 1), "elbo": v, "reconstruction": v} for n, v in enumerate(values)]
    facts = {"quantity": "bound", "last": -50, "step": 1000, "gain": pytest.approx(100 / 19), "active": None}
    assert draw_history(history).facts == facts
    assert draw_history([{**history[0], "active_per_image": 8.25}]).facts["active"] == 8.25
    assert draw_history(history[:1]).facts["gain"] is None
    assert draw_history([{"step": 10, "reconstruction": -5.0}]).facts["quantity"] == "reconstruction"


def test_no_rows_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="at least one row"):
        draw_history([])
