"""Sentences say what their numbers say."""

import dataclasses

import pytest

from tests.pages.conftest import RESULTS
from vsc_jax.config import Ramp
from vsc_jax.figures import FIGURES
from vsc_jax.pages import sentences

FACTS = {
    "history": {"quantity": "bound", "last": -50.0, "step": 1000, "gain": 5.3, "active": None},
    "reconstructions": {"form": "vector", "clean": 0.5, "noisy": -0.1, "noise": "sd 0.25"},
    "activation": {
        **{"gated": True, "used": 4, "telling": 3, "latent": 0},
        **{"high": 1.0, "low": 0.0, "high_class": "zero", "low_class": "one"},
    },
    "gate_histogram": {"off": 0.7, "on": 0.26, "deviation": 0.4},
    "latent_density": {"used": 5, "latents": 6, "always": 2, "active": 3.5, "low": 2.0, "high": 5.0},
    "pseudo_inputs": {
        "name": "pseudo-inputs",
        "serving": 3,
        "components": 4,
        "busiest": 0.8,
        "fewest": 1,
        "most": 5,
        "latents": 6,
    },
    "atoms": {"shown": 64, "latents": 64, "most": 0.77, "least": 0.1, "alike": 0.333},
    "conditional_samples": {"within": 0.25},
    "interpolations": {"largest": 1 / 9, "steps": 9, "gated": True, "on": 1, "off": 0},
    "traversals": {"latent": 3, "most": 0.12, "middle": 0.05, "still": 1, "rows": 3, "used": 5},
    "latent_grid": {"x": 4, "y": 2, "along_x": 0.1, "along_y": 0.2, "whole": True},
    "correlations": {
        **{"mean": 0.5, "high": 0.999, "low": 0.2, "high_feature": "hat y", "low_feature": "eyes x"}
    },
}
CASES = """
history {} nats after 1,000 iterations, +5.3 over the last tenth, so it is still moving.
history {"gain": 0.1, "active": 8.25} so it has settled, with 8.2 latents on in an image.
history {"gain": None} here it is at −50.0 nats after 1,000 iterations, too few to tell.
history {"quantity": "reconstruction"} Look for a reconstruction that rises
reconstructions {} 50 % of the variance from clean input and −10 % from input
reconstructions {} noise of sd 0.25, where the mean vector would explain 0 %.
reconstructions {"clean": 0.01} would explain 0 %: the code says next to nothing.
activation {} here 3 of the 4 used latents are on for most of one class and hardly ever for another
activation {} the sharpest, latent 0, is on in 100 % of zero and 0 % of one.
activation {"telling": 1} here 1 of the 4 used latents is on for most
activation {"telling": 0} here no latent is on for most of one class
activation {"gated": False} latent 0 differs most, with a mean size of 1.00 for zero and 0.00 for one.
gate_histogram {} 70 % of the gates are decidedly off, 26 % decidedly on and 4 % neither.
gate_histogram {"deviation": 0.0} by more than 0.000 from image to image: the code has collapsed.
latent_density {} 5 of 6 latents serve at least 1 % of the images and 2 are on in over 95 % of them
latent_density {} and an image has 3.5 on (nine in ten have 2 to 5).
latent_density {"used": 1, "always": 1} 2 to 5): most of what is on says nothing by being on.
pseudo_inputs {} 3 of 4 are the nearest one of some test image, the busiest of 80 % of them
pseudo_inputs {} and they have 1 to 5 of 6 latents on.
pseudo_inputs {"fewest": 5} and they have 5 of 6 latents on.
atoms {} the first of the 64 atoms is on in 77 % of the examples and the last in 10 %
conditional_samples {} 25 % of the samples' variance lies within the rows, which share which latents
interpolations {} largest of the 9 steps along a straight line makes 11 % of its change (11 % would
interpolations {} would be even), and the first pair is joined by switching 1 latent on and 0 off.
interpolations {"gated": False} (11 % would be even).
traversals {} here 3 of the 5 used latents are shown; latent 3 changes 12 % of the pixels visibly, the
traversals {} the median latent 5 %, and 1 changes nothing that is visible.
traversals {"still": 2} and 2 change nothing that is visible.
traversals {"still": 0} and every one changes something.
latent_grid {} (the whole code), 4 across changes 10 % of the pixels visibly from end to end and 2
correlations {} correlation of 0.50 on average, 1.00 for hat y and 0.20 for eyes x.
""".strip().splitlines()  # noqa: RUF001


@pytest.mark.parametrize("case", CASES)
def test_a_sentence_is_a_template_of_the_facts(case):
    name, rest = case.split(" ", 1)
    facts, expected = rest.split("} ", 1)
    text = sentences.sentence(name, FACTS[name] | eval(facts + "}"))
    assert expected in text
    assert text.startswith("Look for ")


def test_every_figure_has_a_template_and_one_of_yours_needs_none():
    assert {case.split()[0] for case in CASES} == {"history", *FIGURES}
    assert sentences.sentence("mine", {"value": 1}) == ""


def test_numbers_are_written_as_they_are_meant():
    assert [sentences.percent(x) for x in (-0.354, -0.004)] == ["−35 %", "just below 0 %"]  # noqa: RUF001
    shares = {0.0: "0", 1e-5: "under 0.1", 0.01: "1", 0.015: "1.5", 0.12: "12", 0.985: "98.5"}
    for share, text in {**shares, 0.99999: "over 99.9", 1.0: "100"}.items():
        assert sentences.percent(share) == f"{text} %"
    assert sentences.nats(-104.46) == "−104.5 nats"  # noqa: RUF001
    assert [sentences.count(1, "latent"), sentences.count(6000, "row")] == ["1 latent", "6,000 rows"]


@pytest.mark.parametrize(("options", "expected"), [
    ({"kind": "ae", "latents": 2}, "An autoencoder with 2 latents, fully connected networks (400) and a Ber"),
    ({"kind": "vae", "latents": 1, "network": "conv"}, "A Gaussian VAE with 1 latent, convolutional netw"),
    ({"kind": "vae", "beta": 4.0}, "A beta-VAE (beta = 4) with 60 latents, fully"),
    ({"kind": "vae", "tc_weight": 3.0}, "A beta-TCVAE (weight 3) with"),
    ({"prior": "pseudo", "alpha": 0.05, "pseudo_inputs": 8},
     "Variational Sparse Coding (8 pseudo-inputs, alpha = 0.05) with"),
    ({"prior": "fixed"}, "Variational Sparse Coding (a fixed prior of rate 0.1) with 60 latents,"),
    ({"prior": "components"}, "Variational Sparse Coding (32 components, alpha = 0.1) with 60 latents"),
    ({"active": 4.0}, "Variational Sparse Coding (32 components, 4 latents asked to be on) with 60"),
])  # fmt: skip
def test_models_are_named_by_what_makes_them_what_they_are(make_source, options, expected):
    source = make_source(noise=0.0, **options)
    text = sentences.what_was_run(source)
    assert text.startswith(expected)
    assert text.endswith(" and a Bernoulli likelihood; 6,000 iterations of 256 examples, seed 0.")
    schedule = dataclasses.replace(source.config.schedule, warm_up=Ramp(0.0, 1.0, 0.0, 0.3))
    source.config = dataclasses.replace(source.config, schedule=schedule)
    assert ("warm-up of the slab" in sentences.what_was_run(source)) == (source.config.model.kind == "vsc")


def test_noise_in_training_is_told_where_there_is_an_encoder_that_learns_it(make_source):
    told = " examples, a quarter of them with noise of up to 0.5 too, seed 0."
    for learns in ({"kind": "vae", "noise": 0.5}, {"kind": "vsc"}):
        assert sentences.what_was_run(make_source(**learns)).endswith(told)
    assert "noise" not in sentences.what_was_run(make_source(kind="vae"))
    ascent = {"prior": "fixed", "decoder": "linear", "inference": "ascent", "likelihood": "gaussian"}
    assert "noise" not in sentences.what_was_run(make_source(noise=0.5, **ascent))


def test_a_rate_that_is_learned_is_said_to_be(make_source):
    ascent = {"prior": "fixed", "decoder": "linear", "inference": "ascent", "likelihood": "gaussian"}
    assert "(a fixed prior of a learned rate)" in sentences.what_was_run(make_source(**ascent))
    assert "(a fixed prior of rate 0.2)" in sentences.what_was_run(make_source(**ascent, alpha=0.2))


def test_results_become_a_sentence(make_source):
    def said(**results):
        return sentences.in_short(make_source(results=results, latents=6))

    assert said(**RESULTS) == (
        "log p(x) is at least −20.0 nats per example, or −18.0 nats with 10 importance samples; an image has"  # noqa: RUF001
        " 2.5 of 6 latents on and 4 are used; the output explains 50 % of the variance."
    )
    assert said() == ""
    assert said(active_per_image=1.0).startswith("An image has 1.0 of 6 latents")
    other = "a linear probe reads 90 % of the classes off the code; single gates tell 3 of 4 attributes."
    assert said(probe_accuracy=0.9, attributes_found=3.0) == other
    assert "is no bound on log p(x)" in said(reconstruction=-5.0)
    collapsed = said(**{**RESULTS, "explained_variance": 0.01})
    assert collapsed.endswith("This model has learned little more than the mean of the data.")


def test_runs_on_different_data_are_not_compared_and_data_are_described(make_source):
    sources = [make_source("a"), make_source("b", {**RESULTS, "data": "tiny, binarized"})]
    assert "must not be compared" in sentences.compared(sources)
    assert sentences.measured_on(sources) == ""
    assert sentences.measured_on(sources[:1]) == "Measured on tiny, 40 test examples, grey values."
    assert sentences.compared(sources[:1]) == ""
    # Data are described once if they are the same.
    assert sentences.trained_on(sources) == {"": "smiley"}
    sources[1].data = {"description": "Faces."}
    assert sentences.trained_on(sources) == {"a": "smiley", "b": "Faces."}
