"""The view of a model's codes that figures, reports and the explorer share."""

import jax
import numpy as np
import pytest

from tests.figures.conftest import make_view  # noqa: F401 (a fixture)
from vsc_jax.data import Split
from vsc_jax.evaluation import code_view
from vsc_jax.evaluation.code_view import discrete_path


@pytest.fixture
def view(make_view):  # noqa: F811
    return make_view()


def test_the_code_is_the_model_s_and_is_encoded_once(view, monkeypatch):
    calls, encode = [], code_view.codes
    monkeypatch.setattr(code_view, "codes", lambda *args: calls.append(args) or encode(*args))
    np.testing.assert_allclose(view.code, view.model.code(view.test.x), atol=1e-6)
    np.testing.assert_array_equal(view.density, (view.code != 0).mean(axis=0))
    assert view.used.tolist() == np.flatnonzero(view.density >= 0.01).tolist()
    assert view.gated
    assert len(calls) == 1


def test_decoded_codes_are_the_model_s_reconstructions_and_resampled_ones_its_samples(view):
    x, key = view.test.x[:2], jax.random.key(3)
    np.testing.assert_allclose(view.decode(view.code[:2]), view.model.reconstruct(x), atol=1e-6)
    z = view.resampled(view.codes.on[:2], 5, jax.random.clone(key))
    assert ((z != 0) == view.codes.on[:2, None]).all()
    np.testing.assert_allclose(view.decode(z), view.model.sample_like(x, 5, key), atol=1e-6)


def test_without_gates_all_are_on_and_the_prior_is_standard_normal_or_there_is_none(make_view):  # noqa: F811
    drawn = make_view("vae").resampled(np.ones((200, 6), bool), 8, jax.random.key(0))
    assert (drawn.mean(), drawn.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.05))
    view = make_view("ae")
    assert (view.gated, view.used.tolist(), view.prior) == (False, list(range(6)), None)
    with pytest.raises(ValueError, match="no prior to sample from"):
        view.resampled(np.ones((1, 6), bool), 1, jax.random.key(0))


def test_the_nearest_component_is_that_of_the_least_divergence(view):
    exact = view.model.selection_terms(view.test.x, "exact").weights
    np.testing.assert_array_equal(view.nearest, np.asarray(exact).argmax(axis=1))


def test_examples_are_of_different_classes_and_the_first_without_labels(view):
    view.test = Split(view.test.x, np.repeat([0, 1, 2, 0], 10).astype(np.int32))
    assert view.examples(4).tolist() == [0, 10, 20, 1]
    view.test = Split(view.test.x)
    assert view.examples(3).tolist() == [0, 1, 2]


def test_a_grid_and_traversals_vary_latents_over_where_they_are_on(make_view):  # noqa: F811
    mean = np.random.default_rng(0).normal(size=(40, 6)) * [1, 2, 3, 4, 5, 0]
    mean[:20, 1] = 0
    mean[1] = [0, 1, 7, 0, 0, 0]
    view = make_view(mean=mean)
    values = view.code[:, 1]
    np.testing.assert_allclose(view.span(1, 3)[[0, 2]], np.percentile(values[values != 0], [1, 99]))
    assert view.span(1, 3)[1] == pytest.approx(view.span(1, 3)[[0, 2]].mean())
    np.testing.assert_array_equal(view.span(5, 3), [-1, 0, 1])  # never on
    assert view.moving_pair(1) in {(2, 1), (1, 2)}  # on in it, before those that vary more
    codes, x, y = view.grid(1, (2, 1))
    assert codes.shape == (7, 7, 6)
    assert not codes[..., [0, 3, 4, 5]].any()
    np.testing.assert_array_equal(codes[3, :, 2], x)
    np.testing.assert_array_equal(codes[:, 3, 1], y)
    codes, values, latents = view.traversals(1)
    assert latents.tolist() == [2, 1, 4, 3, 0]
    for row, latent in zip(codes, latents, strict=True):
        np.testing.assert_array_equal(row[:, latent], [0, *view.span(int(latent), 6)])
        others = np.arange(6) != latent
        np.testing.assert_array_equal(row[:, others], np.tile(view.code[1, others], (7, 1)))
    np.testing.assert_array_equal(values[0], codes[0, 1:, 2])


def test_the_pair_of_a_grid_moves_the_output_most_first(make_view, monkeypatch):  # noqa: F811
    mean = np.random.default_rng(0).normal(size=(40, 6)) * [6, 5, 4, 3, 2, 1]
    view = make_view(mean=mean)
    effect = np.array([0, 0.1, 3, 0, 9, 0])  # not those that vary most
    monkeypatch.setattr(view, "decode", lambda codes: codes * effect)
    assert view.moving_pair(0) == (4, 2)


@pytest.mark.parametrize(("most", "names"), [
    (9, "start +3 +1 ~2 -0"), (4, "start +3 ~2… -0"), (3, "start +1… -0…"), (2, "start -0…"),
])  # fmt: skip
def test_a_discrete_path_changes_one_latent_a_step_and_is_thinned_but_keeps_its_ends(most, names):
    start, end = np.array([1.0, 0, -2, 0, 5]), np.array([0.0, 3, 4, -6, 5])
    codes, named = discrete_path(start, end, most)
    assert named == names.split()
    np.testing.assert_array_equal(codes[[0, -1]], [start, end])
    changes = np.count_nonzero(np.diff(codes, axis=0), axis=1)
    assert ["…" in name for name in named[1:]] == (changes > 1).tolist()
    if most == 9:  # both supports half-way
        np.testing.assert_array_equal(codes[3], [1, 3, 4, -6, 5])
    assert discrete_path(start, start, most)[1] == ["start"]


def test_factors_are_correlated_in_size_and_where_they_are_present(make_view):  # noqa: F811
    view = make_view(data="faces")
    values, presence = view.test.factors, view.test.presence
    view.__dict__["code"] = np.stack([-values[:, 5]] + [np.zeros(40)] * 5, axis=1)
    size, signed = view.correlations()
    assert size.shape == signed.shape == (18, 6)
    assert (size[5, 0], signed[5, 0]) == (pytest.approx(1), pytest.approx(-1))
    assert not signed[:, 1].any()  # what does not vary correlates with nothing
    there = presence[:, 4] > 0
    assert signed[4, 0] == pytest.approx(np.corrcoef(values[there, 4], view.code[there, 0])[0, 1])
    with pytest.raises(ValueError, match="digits: has no true factors"):
        make_view().correlations()
