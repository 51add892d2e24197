"""The true bound, the classifier's, and the paper's objective."""

import math

import jax
import numpy as np
import pytest

from vsc_jax.evaluation.elbo import bounds


@pytest.fixture(scope="module")
def many(examples):
    return np.tile(examples, (50, 1))


def test_an_autoencoder_has_a_reconstruction_and_no_bound(tiny, examples):
    assert set(bounds(tiny("ae"), examples, jax.random.key(0))) == {"reconstruction"}


@pytest.mark.parametrize("kind", ["vae", "vsc"])
def test_elbo_is_reconstruction_less_kl(tiny, many, kind):
    values = bounds(tiny(kind), many, jax.random.key(0))
    assert values["elbo"] == pytest.approx(values["reconstruction"] - values["kl"], rel=1e-5)
    assert values["kl"] > 0


def test_exact_weights_give_the_tightest_bound(tiny, many):
    values = bounds(tiny("vsc"), many, jax.random.key(0))
    assert values["elbo_classifier"] < values["elbo"]
    assert 0 <= values["selection_kl"] <= math.log(3)


def test_evaluation_does_not_depend_on_how_the_model_was_trained(tiny, many):
    trained_softly = tiny("vsc", selection="paper", gate="sigmoid", weigh_slab_kl=False)
    assert bounds(tiny("vsc"), many, jax.random.key(0)) == bounds(trained_softly, many, jax.random.key(0))


def test_paper_objective_leaves_out_the_price_of_the_selection(tiny, many):
    """Its divergence is that of its own weights, up to ``log U`` below a bound's."""
    model = tiny("vsc")
    values = bounds(model, many, jax.random.key(0))
    divergence = jax.jit(lambda x: model.selection_terms(x, "paper").kl)(many)
    expected = values["reconstruction"] - float(divergence.mean())
    assert values["paper_objective"] == pytest.approx(expected, rel=1e-5)


def test_a_fixed_prior_has_nothing_to_select(tiny, many):
    values = bounds(tiny("vsc", prior="fixed"), many, jax.random.key(0))
    assert values["selection_kl"] == pytest.approx(0, abs=1e-6)
    assert "elbo_classifier" not in values


def test_batches_do_not_change_the_divergence(tiny, many):
    whole = bounds(tiny("vsc"), many, jax.random.key(0))
    parts = bounds(tiny("vsc"), many, jax.random.key(0), batch_size=7)
    assert parts["kl"] == pytest.approx(whole["kl"], rel=1e-5)
