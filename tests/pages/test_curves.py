"""Curves are drawn for runs that differ in one setting, and for no others."""

import numpy as np
import pytest

from vsc_jax.evaluation.reconstruction import Denoised
from vsc_jax.figures.curves import draw_curves, draw_under_noise
from vsc_jax.pages.curves import curves_over

LATENTS = ["bound_against_latents", "accuracy_against_latents"]


@pytest.fixture
def run(make_source):
    def run(elbo=-100.0, *, accuracy=0.9, data="mnist", **options):
        results = {"data": data, "elbo": elbo, "active_per_image": 5.0, "probe_accuracy": accuracy}
        return make_source(str(options), results, **options)

    return run


def test_two_rates_make_the_curves_against_alpha(run, monkeypatch):
    drawn = []
    monkeypatch.setattr("vsc_jax.pages.curves.draw_curves", lambda *a: drawn.append(a) or draw_curves(*a))
    second = {"alpha": 0.2, "prior_rate": 0.2, "name": "vsc"}
    sources = [run(alpha=0.1, name="vsc"), run(-95.0, **second), run(-97.0, **second, seed=1)]
    curves = curves_over([*sources, run(-97.0, kind="vae", name="vae")])
    assert list(curves) == ["bound_against_alpha", "bound_against_active"]
    sentence = curves["bound_against_alpha"].sentence
    assert sentence.endswith("here the best value, −96.0 nats, is that of vsc at 0.2.")  # noqa: RUF001
    assert curves["bound_against_alpha"].png.startswith(b"\x89PNG")
    against, (vsc, vae), _ = drawn[0]
    assert against == "model.alpha"
    assert (vsc.name, vae.name, vae.x) == ("vsc", "vae", None)
    np.testing.assert_allclose(vsc.sd, [0, 2**0.5])  # of a sample


def test_two_sizes_make_the_curves_against_the_number_of_latents(run):
    sources = [
        run(accuracy=latents / 100, kind=kind, latents=latents)
        for kind in ("vae", "vsc")
        for latents in (2, 32)
    ]
    curves = curves_over(sources)
    assert list(curves) == LATENTS
    assert "here the best value, 32 %" in curves["accuracy_against_latents"].sentence


def test_a_rate_that_follows_the_number_of_latents_is_swept_with_it(run):
    rates = {2: 0.5, 32: 0.25}
    follow = [run(latents=latents, alpha=rate, prior_rate=rate) for latents, rate in rates.items()]
    assert list(curves_over(follow)) == LATENTS
    another = run(latents=2, alpha=0.25, prior_rate=0.5)
    assert "bound_against_latents" not in curves_over([*follow, another])


@pytest.mark.parametrize("other", [
    {"seed": 1, "alpha": 0.1}, {"hidden": (10,), "alpha": 0.2}, {"data": "mnist, binarised", "alpha": 0.2},
])  # fmt: skip
def test_runs_that_differ_otherwise_or_only_in_their_seed_make_none(run, other):
    assert curves_over([run(alpha=0.1), run(**other)]) == {}


@pytest.fixture
def noisy(run):
    """A run of which these shares are explained at noise of .1 and .5, and half of the latents stay."""

    def noisy(label, *explained, unit=1.0, kept=0.5, **options):
        source = run(**options)
        source.label, source.noise_unit = label, unit
        rows = zip((0.1, 0.5), explained, strict=True)
        source.under_noise = {level: Denoised(1 - share, share, kept) for level, share in rows}
        return source

    return noisy


def test_runs_under_noise_are_ranked_and_an_error_above_the_mean_examples_is_told(noisy, monkeypatch):
    drawn = []
    module = "vsc_jax.pages.curves.draw_under_noise"
    monkeypatch.setattr(module, lambda *a: drawn.append(a) or draw_under_noise(*a))
    sources = [noisy("a", 0.8, -2.58), noisy("b", 0.75, 0.25, kind="vae"), noisy("c", 0.1, -0.1, kind="vae")]
    curve = curves_over(sources)["explained_against_noise"]
    assert curve.png.startswith(b"\x89PNG")
    assert (
        "here a is ahead of b by 5.0 points at noise of 0.1, and b is ahead of c by 35.0 points"
        in curve.sentence
    )
    assert "At 0.5 the error of a is 3.6 times that of the mean example." in curve.sentence
    assert "the error of c is 1.1 times" in curve.sentence
    assert "the error of b" not in curve.sentence
    assert "on in a with or without that noise, 50 % are on in both." in curve.sentence
    levels, explained, kept, unit = drawn[0]
    assert (levels, kept, unit) == ([0.1, 0.5], {"a": [0.5, 0.5]}, "data's range")
    axes, support = draw_under_noise(*drawn[0]).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.8, -2.58])  # never clamped
    assert axes.get_ylim()[0] < -2.58
    np.testing.assert_array_equal(support.lines[0].get_ydata(), [0.5, 0.5])
    assert len(draw_under_noise(levels, explained, {}, unit).axes) == 1


def test_one_leader_is_named_once_and_noise_of_other_units_is_not_compared(noisy):
    one, other = noisy("a", 0.8, 0.7), noisy("b", 0.7, 0.4)
    sentence = curves_over([one, other])["explained_against_noise"].sentence
    assert sentence.startswith(
        "Look for lines that stay high: here a is ahead of b by 30.0 points at noise of 0.5."
    )
    assert curves_over([one]) == curves_over([one, noisy("b", 0.7, 0.4, unit=2.0)]) == {}
