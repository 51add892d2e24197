"""Sentences about codes say what their numbers say."""

import numpy as np
import pytest

from vsc_jax import data
from vsc_jax.config import DataConfig
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.figures.from_model import Shown
from vsc_jax.pages import code_sentences
from vsc_jax.run import load
from vsc_jax.run.reopen import run_config, run_dataset


@pytest.fixture(scope="module")
def make_shown(make_run, tmp_path_factory):
    """What is shown of a small model, with codes put in the place of its own."""

    def make(gamma=None, mean=None, **options):
        folder = make_run(tmp_path_factory.mktemp("runs") / "run", **options)
        shown = Shown(load(folder), run_dataset(folder, run_config(folder)), seed=0)
        if gamma is not None:
            means = np.ones_like(gamma) if mean is None else mean
            shown.__dict__["encoded"] = Codes(means, gamma, np.where(gamma > 0.5, means, 0))
        return shown

    return make


def history(values, steps=1000, **last):
    rows = [
        {"step": steps * (n + 1) // len(values), "elbo": v, "reconstruction": v} for n, v in enumerate(values)
    ]
    rows[-1] |= last
    return rows


def test_history_says_whether_training_has_settled():
    rising = code_sentences.history(history(np.linspace(-100, -50, 20)))
    assert "ends at −50.0 nats after 1,000 iterations, +5.3 over the last tenth, so it is still" in rising  # noqa: RUF001
    flat = code_sentences.history(history([-60.0] * 19 + [-59.9], active_per_image=8.25))
    assert "+0.1 over the last tenth, so it has settled, with 8.2 latents on in an image." in flat


def test_a_history_of_one_row_tells_nothing_and_says_so():
    assert "too few to tell" in code_sentences.history(history([-5.0], steps=10))


def test_an_autoencoder_s_history_is_about_its_reconstruction():
    rows = [{"step": 10, "reconstruction": -5.0}, {"step": 100, "reconstruction": -4.0}]
    assert code_sentences.history(rows).startswith("Look for a reconstruction that rises")


def test_gates_that_follow_the_class_are_counted(make_shown):
    gamma = np.full((40, 6), 0.01, np.float32)
    gamma[:, 5] = 0.99
    for latent in range(3):
        gamma[np.arange(40) % 3 == latent, latent] = 0.99
    sentence = code_sentences.activation(make_shown(gamma))
    assert "here 3 of the 4 used latents are on for most of one class and hardly ever for another" in sentence
    assert "latent 0, is on in 100 % of 0 and 0 % of 1" in sentence


def test_gates_that_no_class_owns_are_said_to_tell_nothing(make_shown):
    sentence = code_sentences.activation(make_shown(np.full((40, 6), 0.9, np.float32)))
    assert "here no latent is on for most of one class" in sentence


def test_a_model_without_gates_is_described_by_size(make_shown):
    mean = np.ones((40, 6), np.float32)
    mean[np.arange(40) % 3 == 1, 4] = 3.0
    sentence = code_sentences.activation(make_shown(np.ones_like(mean), mean, kind="vae"))
    assert (
        "the model has no gates, and latent 4 differs most, with a mean size of 3.00 for 1 and 1.00"
        in sentence
    )


def test_the_gate_histogram_tells_decided_gates_and_collapse(make_shown):
    rng = np.random.default_rng(0)
    gamma = np.where(rng.random((40, 6)) < 0.25, 0.99, 0.01).astype(np.float32)
    gamma[:10, 0] = 0.5
    on = (gamma == np.float32(0.99)).mean()
    sentence = code_sentences.gate_histogram(make_shown(gamma))
    assert f"{on:.0%} decidedly on and 4 % neither.".replace("%", " %", 1) in sentence
    collapsed = code_sentences.gate_histogram(make_shown(np.full((40, 6), 0.01, np.float32)))
    assert "no gate deviates by more than 0.000 from image to image: the code has collapsed" in collapsed


def test_density_counts_used_and_ever_present_latents(make_shown):
    gamma = np.full((40, 6), 0.01, np.float32)
    gamma[:, :2] = 0.99
    gamma[:20, 2:5] = 0.99
    sentence = code_sentences.latent_density(make_shown(gamma))
    assert (
        "here 5 of 6 latents serve at least 1 % of the images and 2 are on in over 95 % of them" in sentence
    )
    assert "an image has 3.5 on (nine in ten have 2 to 5)." in sentence
    gamma[:, 2:5] = 0.01
    assert "most of what is on says nothing by being on" in code_sentences.latent_density(make_shown(gamma))


def test_pseudo_inputs_are_counted_by_use(make_shown):
    sentence = code_sentences.pseudo_inputs(make_shown())
    assert "of 4 are the nearest one of some test image" in sentence
    assert "of 6 latents on" in sentence


def test_the_best_and_the_worst_feature_are_named(make_shown):
    faces = DataConfig(train_examples=20, test_examples=60)
    factors = data.load(faces).test.factors
    mean = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    mean[:, 3] = factors[:, 5]
    sentence = code_sentences.correlations(make_shown(np.ones_like(mean), mean, data_config=faces))
    assert "1.00 for hat y and 0." in sentence
