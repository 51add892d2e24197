"""Curves are drawn for runs that differ in one setting, and for no others."""

from vsc_jax.figures.curves import draw_curves
from vsc_jax.pages.curves import curves_over


def results(**values):
    return {"data": "mnist", "elbo": -100.0, "active_per_image": 5.0, "probe_accuracy": 0.9, **values}


def names(sources):
    return list(curves_over(sources))


def test_two_rates_make_the_curves_against_alpha(make_source):
    sources = [
        make_source("a", results(elbo=-100.0), kind="vsc", alpha=0.1, name="vsc"),
        make_source("b", results(elbo=-95.0), kind="vsc", alpha=0.2, prior_rate=0.2, name="vsc"),
        make_source("c", results(elbo=-96.0), kind="vsc", alpha=0.2, prior_rate=0.2, seed=1, name="vsc"),
        make_source("d", results(elbo=-97.0), kind="vae", name="vae"),
    ]
    drawn = curves_over(sources)
    assert set(drawn) == {"bound_against_alpha", "bound_against_active"}
    sentence = drawn["bound_against_alpha"].sentence
    assert sentence.endswith("here the best value, −95.5 nats, is that of vsc at 0.2.")  # noqa: RUF001
    assert drawn["bound_against_alpha"].png.startswith(b"\x89PNG")


def test_the_deviation_over_seeds_is_that_of_a_sample_as_in_the_table_of_a_sweep(make_source, monkeypatch):
    sources = [
        make_source(
            f"{alpha} {seed}",
            results(elbo=-100.0 + seed),
            kind="vsc",
            alpha=alpha,
            prior_rate=alpha,
            seed=seed,
        )
        for alpha, seeds in ((0.1, 3), (0.2, 1))
        for seed in range(seeds)
    ]
    drawn = []
    monkeypatch.setattr(
        "vsc_jax.pages.curves.draw_curves", lambda *args: drawn.extend(args[1]) or draw_curves(*args)
    )
    curves_over(sources)
    assert drawn[0].sd.tolist() == [1.0, 0.0]


def test_two_sizes_make_the_curves_against_the_number_of_latents(make_source):
    sources = [
        make_source(f"{kind}{latents}", results(probe_accuracy=latents / 100), kind=kind, latents=latents)
        for kind in ("vae", "vsc")
        for latents in (2, 32)
    ]
    assert names(sources) == ["bound_against_latents", "accuracy_against_latents"]
    assert "here the best value, 32 %" in curves_over(sources)["accuracy_against_latents"].sentence


def test_a_rate_that_follows_the_number_of_latents_is_swept_with_it(make_source):
    rates = {2: 0.5, 32: 0.25}
    follow = [
        make_source(f"vsc{latents}", results(), kind="vsc", latents=latents, alpha=rate, prior_rate=rate)
        for latents, rate in rates.items()
    ]
    assert names(follow) == ["bound_against_latents", "accuracy_against_latents"]
    another = make_source("other", results(), kind="vsc", latents=2, alpha=0.25, prior_rate=0.5)
    assert "bound_against_latents" not in names([*follow, another])


def test_runs_that_differ_otherwise_or_only_in_their_seed_make_none(make_source):
    assert (
        names([make_source("a", results(), alpha=0.1), make_source("b", results(), seed=1, alpha=0.1)]) == []
    )
    sources = [make_source("a", results(), hidden=(10,), alpha=0.1), make_source("b", results(), alpha=0.2)]
    assert names(sources) == []


def test_nats_of_different_data_are_never_joined_by_a_curve(make_source):
    sources = [
        make_source("a", results(), alpha=0.1),
        make_source("b", {**results(), "data": "mnist, binarised"}, alpha=0.2),
    ]
    assert names(sources) == []
