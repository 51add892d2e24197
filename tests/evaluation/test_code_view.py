"""The view of a model's codes that figures, reports and the explorer share."""

import jax
import numpy as np
import pytest

from vsc_jax.config import ModelConfig
from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.evaluation import code_view
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.models import build


@pytest.fixture(scope="module")
def digits():
    """Sixty 8 x 8 images of three classes."""
    rng = np.random.default_rng(0)
    split = Split(
        (rng.random((60, 8, 8)) * 255).astype(np.uint8), labels=np.repeat([0, 1, 2], 20).astype(np.int32)
    )
    return Dataset("digits", split, split)


@pytest.fixture(scope="module")
def make_view(digits):
    def make(kind, dataset=digits):
        config = ModelConfig(kind=kind, latents=6, hidden=(16,), pseudo_inputs=4, initial_gate_logit=0.0)
        model = build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
        return CodeView(model, dataset, seed=0)

    return make


@pytest.fixture(scope="module")
def view(make_view):
    return make_view("vsc")


def test_the_code_is_the_model_s_and_is_encoded_once(make_view, digits, monkeypatch):
    calls = []
    encode = code_view.codes
    monkeypatch.setattr(code_view, "codes", lambda *args: calls.append(args) or encode(*args))
    view = make_view("vsc")
    np.testing.assert_allclose(view.code, view.model.code(digits.test.x), atol=1e-6)
    np.testing.assert_array_equal(view.density, (view.code != 0).mean(axis=0))
    assert view.used.tolist() == np.flatnonzero(view.density >= 0.01).tolist()
    assert view.gated
    assert len(calls) == 1


def test_a_decoded_code_is_the_model_s_reconstruction(view, digits):
    np.testing.assert_allclose(
        view.decode(view.code[:3]), view.model.reconstruct(digits.test.x[:3]), atol=1e-6
    )
    assert view.decode(view.code.reshape(6, 10, 6)).shape == (6, 10, 8, 8)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_without_gates_every_latent_is_on_and_used(make_view, kind):
    assert not make_view(kind).gated
    assert make_view(kind).used.tolist() == list(range(6))


def test_resampled_codes_keep_the_support_and_are_the_model_s_samples(view, digits):
    key = jax.random.key(3)
    z = view.resampled(view.codes.on[:2], 5, jax.random.clone(key))
    assert ((z != 0) == view.codes.on[:2, None]).all()
    np.testing.assert_allclose(view.decode(z), view.model.sample_like(digits.test.x[:2], 5, key), atol=1e-6)


def test_the_prior_of_a_vae_is_standard_normal_and_an_autoencoder_has_none(make_view):
    drawn = make_view("vae").resampled(np.ones((200, 6), bool), 8, jax.random.key(0))
    assert abs(drawn.mean()) < 0.05
    assert drawn.std() == pytest.approx(1, abs=0.05)
    assert make_view("ae").prior is None
    with pytest.raises(ValueError, match="no prior to sample from"):
        make_view("ae").resampled(np.ones((1, 6), bool), 1, jax.random.key(0))


def test_the_nearest_component_is_that_of_the_least_divergence(view, digits):
    exact = view.model.selection_terms(digits.test.x, "exact").weights
    np.testing.assert_array_equal(view.nearest, np.asarray(exact).argmax(axis=1))


def test_examples_are_of_different_classes_and_the_first_without_labels(view, make_view):
    assert view.examples(4).tolist() == [0, 20, 40, 1]
    assert make_view("ae", Dataset("x", view.test, Split(view.test.x))).examples(3).tolist() == [0, 1, 2]


def test_a_grid_varies_two_latents_that_are_on_and_traversals_begin_with_those(view):
    assert (view.code[1, list(view.varied_pair(1))] != 0).all()
    assert view.grid(1, view.varied_pair(1)).codes.shape == (11, 11, 6)
    on = view.code[2, view.traversals(2).latents] != 0
    assert on.tolist() == sorted(on, reverse=True)
    assert len(on) == len(view.used)


def test_factors_are_correlated_in_size_and_where_they_are_present(make_view):
    faces = smiley.generate(0, 200)
    split = Split(faces.images * np.uint8(255), factors=faces.factors, presence=faces.presence)
    view = make_view("vsc", Dataset("smiley", split, split, factor_names=smiley.FACTORS))
    view.__dict__["code"] = np.stack([-faces.factors[:, 5]] + [np.zeros(200)] * 5, axis=1)
    size, signed = view.correlations()
    assert size.shape == signed.shape == (18, 6)
    assert size[5, 0] == pytest.approx(1)
    assert signed[5, 0] == pytest.approx(-1)
    assert not signed[:, 1].any()  # what does not vary correlates with nothing
    there = faces.presence[:, 4] > 0
    expected = np.corrcoef(faces.factors[there, 4], view.code[there, 0])[0, 1]
    assert signed[4, 0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="digits: has no true factors"):
        make_view("vsc").correlations()
