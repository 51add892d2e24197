"""Codes as data: those of the model in sparse form, whose neighbors and changes have known answers."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from tests.refused import assert_refused
from vsc_jax import nearest, steer
from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation.code_table import code_table
from vsc_jax.models import scaling

CODES = np.array([[1, 0], [2, 0], [0, 1], [1, 1], [0, 0], [0, 0], [-1, 0]], np.float32)
LINEAR = {"decoder": "linear", "likelihood": "gaussian", "prior": "fixed", "initial_gate_logit": 0.0}


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_distances_are_those_by_hand(kind):
    rows, distance = nearest(kind(CODES), np.array([3.0, 0.0]), 9)
    assert rows.tolist() == [0, 1, 3, 2, 4, 5, 6]
    np.testing.assert_allclose(distance, [0, 0, 1 - 0.5**0.5, 1, 1, 1, 2], atol=1e-12)
    rows, distance = nearest(kind(CODES), kind(CODES[4:6]), 3)
    assert rows.tolist() == [[4, 5, 0]] * 2
    np.testing.assert_allclose(distance, [[0, 0, 1]] * 2)


def test_the_nearest_of_an_example_is_itself():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(300, 20)) * (rng.random((300, 20)) < 0.3)
    assert nearest(codes, codes, 1)[0][:, 0].tolist() == list(range(300))


@pytest.mark.parametrize(("query", "k", "named"), [
    (np.zeros(3), 1, r"query \[latents\] or \[m, latents\], got the shapes \[7, 2\] and \[3\]"),
    (np.array([np.nan, 0]), 1, "query: expected finite numbers"),
    (np.zeros(2), 0, "k: expected a whole number, 1 or more, got 0"),
])  # fmt: skip
def test_a_search_that_cannot_be_is_refused(query, k, named):
    assert_refused(named, nearest, CODES, query, k)


@pytest.mark.parametrize("settings", [
    {"kind": "ae"}, {"kind": "vae"}, {"kind": "vsc", "initial_gate_logit": 0.0},
    {"kind": "vsc", "gate": "threshold", "prior": "fixed"}, {"kind": "vsc", "inference": "ascent", **LINEAR},
])  # fmt: skip
def test_codes_and_gates_are_the_models_own(settings, tiny, examples):
    model = tiny(**settings)
    known = [Split(examples[:7], np.arange(7) % 2), Split(examples[7:], np.ones(5, int))]
    table = code_table(model, Dataset("x", *known, ("u", "v")), batch_size=4)
    np.testing.assert_allclose(table.codes.toarray(), model.code(examples), rtol=1e-5, atol=1e-7)
    assert table.codes.nnz == np.count_nonzero(model.code(examples))
    assert table.labels.tolist() == list("uvuvuvuvvvvv")
    if model.gated:
        np.testing.assert_allclose(table.gates, model.encode(examples).gamma, rtol=1e-5)
    else:
        assert table.gates is None


def test_missing_values_are_left_out_of_the_posterior_or_refused(tiny, examples):
    x = examples.copy()
    x[3, 1] = np.nan
    given, model = Dataset("x", Split(x), Split(x[:0])), tiny("vsc", inference="ascent", **LINEAR)
    q = model.encode(x, observed=jnp.asarray(~np.isnan(x)))
    np.testing.assert_allclose(code_table(model, given).gates, q.gamma, rtol=1e-5)
    np.testing.assert_allclose(
        steer(model, x, {}).before, model.decode(code_table(model, given).codes.toarray())
    )
    for call in (lambda: code_table(tiny("ae"), given), lambda: steer(tiny("ae"), x, {})):
        assert_refused("missing value in row 3, column 1; an autoencoder cannot do without it", call)


def test_steering_moves_a_linear_decoder_by_the_atom_times_the_change(tiny, examples):
    model = tiny("vsc", inference="ascent", **LINEAR)
    model.decoder.scaling = scaling.Scaling("standardize", (1.0,), (2.0,))
    atoms, code = 2 * np.asarray(model.decoder.trunk.atoms), np.asarray(model.code(examples))
    before, after = steer(model, examples, {1: 2.5, 0: None})
    np.testing.assert_allclose(before, model.reconstruct(examples), rtol=1e-6)
    change = np.stack([-code[:, 0], 2.5 - code[:, 1]], axis=1)
    np.testing.assert_allclose(after - before, change @ atoms, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("changes", "named"), [
    ({2: 1.0}, "steer: expected a latent from 0 to 1, got 2"),
    ({-1: None}, "steer: expected a latent from 0 to 1, got -1"),
    ({0: np.inf}, "steer: expected a finite value of latent 0, or None, got inf"),
])  # fmt: skip
def test_a_change_that_cannot_be_is_refused(changes, named, tiny, examples):
    assert_refused(named, steer, tiny("vae"), examples, changes)
