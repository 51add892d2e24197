"""Curves are drawn for runs that differ in one setting, and for no others."""

import numpy as np
import pytest

from vsc_jax.figures.curves import draw_curves
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
