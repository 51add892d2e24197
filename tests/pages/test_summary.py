"""What a report says about runs before it shows anything."""

import dataclasses

from tests.pages.conftest import RESULTS
from vsc_jax.config import Ramp
from vsc_jax.pages.summary import compared, in_short, measured_on, trained_on, what_was_run


def test_models_are_named_by_what_makes_them_what_they_are(make_source):
    texts = [
        what_was_run(make_source(**options))
        for options in (
            {"kind": "ae", "network": "conv", "latents": 2},
            {"kind": "vae", "beta": 4.0},
            {"kind": "vae", "tc_weight": 3.0},
            {"kind": "vsc", "alpha": 0.05, "pseudo_inputs": 8, "hidden": (300, 20)},
            {"kind": "vsc", "prior": "fixed", "latents": 1},
        )
    ]
    assert texts[0].startswith("An autoencoder with 2 latents, convolutional networks and a Bernoulli")
    assert texts[1].startswith("A beta-VAE (beta = 4) with 60 latents")
    assert texts[2].startswith("A beta-TCVAE (weight 3)")
    assert texts[3].startswith("Variational Sparse Coding (8 pseudo-inputs, alpha = 0.05)")
    assert "fully connected networks (300, 20)" in texts[3]
    assert texts[4].startswith("Variational Sparse Coding (a fixed prior of rate 0.1) with 1 latent,")
    assert texts[0].endswith("6,000 iterations of 256 examples, seed 0.")


def test_the_warm_up_is_told(make_source):
    source = make_source()
    schedule = dataclasses.replace(source.config.schedule, warm_up=Ramp(0.0, 1.0, 0.0, 0.3))
    warm = dataclasses.replace(source, config=dataclasses.replace(source.config, schedule=schedule))
    assert "warm-up of the slab" in what_was_run(warm)
    assert "warm-up of the slab" not in what_was_run(source)


def test_results_become_a_sentence(make_source):
    assert in_short(make_source(latents=6)) == (
        "log p(x) is at least −20.0 nats an example, or −18.0 nats with 10 importance samples; an image has"  # noqa: RUF001
        " 2.5 of 6 latents on and 4 are used; the output explains 50 % of the variance."
    )
    assert in_short(make_source(results={})) == ""


def test_an_autoencoder_claims_no_bound_and_a_collapsed_model_is_called_so(make_source):
    assert "is no bound on log p(x)" in in_short(make_source(results={"reconstruction": -5.0}, kind="ae"))
    collapsed = in_short(make_source(results={**RESULTS, "explained_variance": 0.01}))
    assert collapsed.endswith("This model has learnt little more than the mean of the data.")


def test_runs_on_different_data_are_not_compared(make_source):
    other = {**RESULTS, "data": "tiny, binarised"}
    sources = [make_source("a"), make_source("b", other)]
    assert "must not be compared" in compared(sources)
    assert measured_on(sources) == ""
    assert measured_on(sources[:1]) == "Measured on tiny, 40 test examples, grey values."


def test_data_are_described_once_if_they_are_the_same(make_source):
    a, b = make_source("a"), make_source("b")
    assert trained_on([a, b]) == ["smiley"]
    assert trained_on([a, dataclasses.replace(b, data={"description": "Faces."})]) == ["smiley", "Faces."]
