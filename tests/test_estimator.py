"""VariationalSparseCoding: scikit-learn's own contract, and what a code says."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.refused import assert_refused, error_of
from vsc_jax.estimator import VariationalSparseCoding

SCALES = np.array([0.01, 1.0, 300.0])
ENTROPY = float(np.sum(np.log(SCALES)) + 1.5 * math.log(2 * math.pi * math.e))


@pytest.fixture(scope="module")
def gaussian() -> np.ndarray:
    """Rows of three independent normal features, of deviations SCALES."""
    return (5.0 + np.random.default_rng(0).normal(size=(250, 3))) * SCALES


@pytest.fixture(scope="module")
def coder(gaussian: np.ndarray) -> VariationalSparseCoding:
    """Fitted to them."""
    return VariationalSparseCoding(random_state=0, steps=200).fit(gaussian)


@pytest.fixture(scope="module")
def network(gaussian: np.ndarray) -> VariationalSparseCoding:
    """A decoder that is no dictionary, hardly fitted."""
    return VariationalSparseCoding(4, decoder="mlp", steps=1, random_state=0).fit(gaussian[:30])


@pytest.fixture(scope="module")
def sparse() -> tuple[np.ndarray, VariationalSparseCoding]:
    """Rows of a dictionary of twelve atoms, two on, of many scales; one fitted to the first thousand."""
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((1200, 12)).argsort(1) < 2, rng.normal(size=(1200, 12)), 0)
    rows = codes @ rng.normal(size=(12, 20)) * np.linspace(1, 9, 20) + 3
    return rows, VariationalSparseCoding(12, steps=600, learning_rate=3e-3, random_state=0).fit(rows[:1000])


def test_it_passes_scikit_learns_own_checks():
    results = check_estimator(VariationalSparseCoding(4, steps=4, prior="fixed"), on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    passed = [result for result in results if result["status"] == "passed"]
    assert skipped <= {"check_array_api_input"}
    assert len(passed) == len(results) - len(skipped) > 40


def test_the_score_is_a_bound_on_the_log_density_of_the_data_as_given(coder, gaussian):
    score = coder.score(gaussian)
    assert -ENTROPY - 0.5 < score < -ENTROPY + 0.05
    assert coder.score_samples(gaussian).shape == (250,)
    assert score == pytest.approx(float(coder.score_samples(gaussian).mean()), rel=1e-5)


def test_refinement_tightens_the_score_and_changes_the_gates_with_the_code(gaussian):
    coder = VariationalSparseCoding(4, random_state=0, decoder="mlp", hidden=(8,), steps=60).fit(gaussian)
    assert coder.score(gaussian, refine=10) > coder.score(gaussian) + 0.01
    codes, gates = coder.transform(gaussian, refine=10), coder.gates(gaussian, refine=10)
    np.testing.assert_array_equal(codes != 0, gates > 0.5)
    np.testing.assert_array_equal(coder.transform(gaussian[7:8], refine=10), codes[7:8])
    assert_refused("refine: expected a whole number of steps, 0 or m", coder.transform, gaussian, refine=-1)


def test_scores_follow_the_units_of_the_data(coder, gaussian):
    other = clone(coder).fit(gaussian * 1000)
    assert other.score(gaussian * 1000) == pytest.approx(coder.score(gaussian) - 3 * math.log(1000), abs=1e-2)
    np.testing.assert_allclose(other.scale_, 1000 * coder.scale_)


def test_masked_values_are_missing(coder, gaussian):
    masked = np.ma.masked_array(gaussian, np.arange(gaussian.size).reshape(gaussian.shape) == 7)
    for method in (coder.transform, coder.score_samples, VariationalSparseCoding(steps=1).fit):
        assert_refused("^X: missing value in row 2, column 1$", method, masked)


def test_codes_are_exactly_zero_where_gates_are_closed(coder, gaussian):
    codes, gates = coder.transform(gaussian), coder.gates(gaussian)
    assert codes.dtype == gates.dtype == np.float32
    np.testing.assert_array_equal(codes != 0, gates > 0.5)
    np.testing.assert_allclose(coder.gate_rate_, (codes != 0).mean(0))
    assert coder.active_per_row_ == pytest.approx((codes != 0).sum(1).mean())
    assert (coder.n_samples_seen_, coder.n_features_in_) == (250, 3)


def test_what_seems_wrong_is_said_with_parameters_of_the_class(coder, gaussian):
    says = "too short: 200 iterations are too few to learn much, or to see whether the bound has settled"
    assert coder.findings_[0] == f"{says}; try steps=400"
    heavy = clone(coder).set_params(steps=400, latents=2, beta=50.0).fit(gaussian)
    [line] = heavy.findings_
    assert line.startswith("collapsed: the code holds ")
    assert line.endswith("no latent is on in even 1 % of the examples; try beta=1, or learning_rate=0.0005")


@pytest.mark.parametrize(("parameters", "expected"), [
    ({}, ("linear", "fixed", "ascent")),
    ({"likelihood": "student_t"}, ("linear", "fixed", "encoder")),
    ({"gate": "threshold"}, ("linear", "fixed", "encoder")),
    ({"likelihood": "bernoulli"}, ("linear", "fixed", "lista")),
    ({"likelihood": "poisson"}, ("linear", "fixed", "lista")),
    ({"likelihood": "bernoulli", "gate": "threshold"}, ("linear", "fixed", "encoder")),
    ({"likelihood": "bernoulli", "prior": "pseudo"}, ("linear", "pseudo", "encoder")),
    ({"prior": "pseudo"}, ("linear", "pseudo", "encoder")),
    ({"beta": 2.0}, ("linear", "fixed", "encoder")),
    ({"decoder": "mlp"}, ("mlp", "components", "encoder")),
    ({"decoder": "mlp", "active": 2}, ("mlp", "components", "encoder")),
])  # fmt: skip
def test_auto_takes_the_ascent_where_it_can_and_components_for_a_network(
    parameters, expected, gaussian, monkeypatch
):
    taken = []
    monkeypatch.setattr("vsc_jax.estimator.train", lambda config, _: taken.append(config.model))
    rows = np.resize([0.0, 1, 1], (30, 3)) if "likelihood" in parameters else gaussian[:30]
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'model'"):  # nothing trained
        VariationalSparseCoding(4, steps=1, random_state=0, **parameters).fit(rows)
    assert [(model.decoder, model.prior_used, model.inference_used) for model in taken] == [expected]


def test_auto_ends_before_a_small_table_is_learned_by_heart():
    X = np.random.default_rng(0).permutation(StandardScaler().fit_transform(load_wine().data))
    coder = VariationalSparseCoding(decoder="mlp", alpha=0.2, steps="auto", random_state=0).fit(X[:134])
    assert coder.steps_ == coder.config_.train.steps <= 400
    assert coder.score(X[134:]) > -25  # after 2,000 steps -700


def test_a_row_is_its_code_times_the_atoms(coder, network, gaussian):
    codes = coder.transform(gaussian)
    assert coder.components_.shape == (16, 3)
    rows = codes @ coder.components_ + coder.intercept_
    np.testing.assert_allclose(coder.inverse_transform(codes), rows, rtol=1e-4, atol=1e-4)
    assert not hasattr(coder.__class__(), "components_")
    assert not hasattr(network, "components_")


@pytest.mark.parametrize("parameters", [
    {"decoder": "mlp", "steps": 1500},
    {"decoder": "mlp", "steps": 1500, "gate": "threshold"},
])  # fmt: skip
def test_as_many_latents_are_on_as_were_asked_for(parameters):
    X = np.random.default_rng(0).normal(size=(500, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    coder = VariationalSparseCoding(8, active=3, random_state=0, **parameters).fit(X)
    assert coder.active_per_row_ == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("parameters", [{"active": 16}, {"active": 0}, {"active": 3, "alpha": 0.1}])
def test_a_number_of_active_latents_that_cannot_be_is_refused(parameters, gaussian):
    with pytest.raises(ValueError, match="^active: "):
        VariationalSparseCoding(16, steps=1, **parameters).fit(gaussian)


def test_sparse_codes_hold_the_same_numbers(coder, gaussian):
    dense = coder.transform(gaussian)
    codes = copy.copy(coder).set_params(sparse_output=True).transform(gaussian)
    assert isinstance(codes, scipy.sparse.csr_array)
    assert codes.nnz == np.count_nonzero(dense)
    np.testing.assert_array_equal(codes.toarray(), dense)
    np.testing.assert_array_equal(coder.inverse_transform(codes), coder.inverse_transform(dense))


def test_reconstructions_are_in_the_units_of_the_data(coder, gaussian):
    rows = coder.inverse_transform(coder.transform(gaussian))
    assert rows.shape == gaussian.shape
    np.testing.assert_allclose(rows.mean(0), gaussian.mean(0), rtol=0.1)
    expected = np.asarray(coder.model_.reconstruct(((gaussian - coder.mean_) / coder.scale_).astype("f4")))
    np.testing.assert_allclose(rows, expected * coder.scale_ + coder.mean_, rtol=1e-5)


def test_noise_is_taken_off_in_the_units_of_the_rows(sparse):
    rows, coder = sparse
    deviation, clean = rows[:1000].std(axis=0), rows[1000:]
    noisy = clean + 0.5 * deviation * np.random.default_rng(1).normal(size=(200, 20))
    for noise in (0.5, "auto"):
        error = np.square((coder.denoise(noisy, noise=noise) - clean) / deviation).mean()
        assert error < 0.5 * 0.5**2
    with pytest.raises(ValueError, match="^noise: expected auto or a number above 0, got -1$"):
        coder.denoise(noisy, noise=-1)


def test_what_is_missing_is_filled_in_from_what_is_there(sparse, network, gaussian):
    rows, coder = sparse
    x, missing = rows[1000:], np.random.default_rng(1).random((200, 20)) < 0.3
    filled = coder.fill(np.where(missing, np.nan, x))
    np.testing.assert_array_equal(filled[~missing], x[~missing].astype(np.float32))
    means = rows[:1000].mean(0)
    error, of_the_mean = (np.square((by - x) / x.std(0))[missing].mean() for by in (filled, means))
    assert error < 0.2 * of_the_mean
    for message, value in (("infinity", np.inf), ("12 features|20 features", None)):
        with pytest.raises(ValueError, match=message):
            coder.fill(np.full((1, 20), value) if value else x[:, :12])
    given = np.where(missing[:, :3], np.nan, gaussian[:200, :3])
    filled = network.fill(given)
    np.testing.assert_array_equal(filled[~missing[:, :3]], given[~missing[:, :3]].astype(np.float32))
    assert np.isfinite(filled).all()
    for refusing in (coder.fit, coder.transform):
        with pytest.raises(ValueError, match="^X contains NaN: only fill takes rows with missing values"):
            refusing(np.where(missing, np.nan, x))


def test_two_fits_with_one_seed_agree_and_a_random_state_is_used_up(gaussian):
    state = np.random.RandomState(0)
    one, two = (VariationalSparseCoding(steps=4, random_state=state).fit(gaussian[:30]) for _ in range(2))
    assert one.config_.seed != two.config_.seed
    again = VariationalSparseCoding(steps=4, random_state=np.random.RandomState(0)).fit(gaussian[:30])
    np.testing.assert_array_equal(again.transform(gaussian), one.transform(gaussian))


@pytest.mark.parametrize("state", [3, 4])
def test_of_several_starts_the_one_with_the_best_bound_is_kept(state, gaussian):
    rows = gaussian[:60]
    several = VariationalSparseCoding(steps=20, n_init=3, random_state=state).fit(rows)
    # One state gives the same seeds one after the other.
    state = np.random.RandomState(state)
    alone = [VariationalSparseCoding(steps=20, random_state=state).fit(rows) for _ in range(3)]
    best = max(alone, key=lambda coder: coder.score(rows))
    assert several.config_ == best.config_
    assert several.history_ == best.history_
    np.testing.assert_array_equal(several.transform(rows), best.transform(rows))


def test_it_works_in_a_pipeline_and_a_grid_search(gaussian):
    labels = (gaussian[:, 0] > gaussian[:, 0].mean()).astype(int)
    coder = VariationalSparseCoding(steps=4, likelihood="bernoulli", prior="fixed", random_state=0)
    pipeline = make_pipeline(MinMaxScaler(clip=True), coder, LogisticRegression())
    name = "variationalsparsecoding__"
    grid = {f"{name}beta": np.array([1, 2]), f"{name}latents": np.array([4])}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(gaussian, labels)
    chosen = search.best_estimator_[1].config_.model
    assert (chosen.beta, chosen.latents) == (search.best_params_[f"{name}beta"], 4)
    assert chosen.likelihood == "bernoulli"
    # Without labels a model is chosen by its bound.
    model = VariationalSparseCoding(4, steps=4, random_state=0)
    search = GridSearchCV(model, {"alpha": [0.1, 0.3]}, cv=2).fit(gaussian)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_names_travel_with_pandas(gaussian):
    frame = pd.DataFrame(gaussian, columns=["a", "b", "c"])
    coder = VariationalSparseCoding(steps=4, random_state=0).set_output(transform="pandas").fit(frame)
    names = [f"variationalsparsecoding{i}" for i in range(16)]
    assert list(coder.transform(frame).columns) == list(coder.get_feature_names_out()) == names
    assert list(coder.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        coder.transform(frame[["b", "a", "c"]])


@pytest.mark.parametrize(("parameters", "message"), [
    ({"alpha": 1.5}, "alpha: expected a number between 0 and 1, exclusive, got 1.5"),
    ({"n_init": 0}, "n_init: expected a whole number, 1 or more, got 0"),
    ({"n_init": True}, "n_init: expected a whole number, 1 or more, got True"),
    ({"steps": 0}, "steps: expected a number from 1 to 2147483647, got 0"),
])  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(parameters, message, gaussian):
    assert error_of(VariationalSparseCoding(**parameters).fit, gaussian) == message


def test_a_bernoulli_coder_refuses_values_outside_0_and_1_in_every_method(gaussian):
    unit = (gaussian > gaussian.mean(axis=0)).astype(float)
    coder = VariationalSparseCoding(likelihood="bernoulli", prior="fixed", steps=4, random_state=0).fit(unit)
    assert (coder.score_samples(unit) < 0).all()
    unit[7, 1] = 100.0
    for method in (coder.fit, coder.transform, coder.gates, coder.score_samples, coder.score):
        assert error_of(method, unit) == (
            "X: expected values in [0, 1] for the bernoulli likelihood (likelihood='gaussian' takes any"
            " value), got 100.0 in row 7, column 1"
        )


def test_counts_are_scored_given_their_totals():
    rng = np.random.default_rng(0)
    rates = np.array([[1.0, 4, 10, 5], [8, 1, 1, 10]])[rng.integers(0, 2, 400)]
    counts = rng.poisson(rates * rng.uniform(0.5, 3, (400, 1)))
    coder = VariationalSparseCoding(4, likelihood="negative_binomial", alpha=0.3, steps=300, random_state=0)
    coder.fit(counts)
    assert coder.config_.model.inference_used == "lista"
    np.testing.assert_array_equal(coder.scale_, np.ones(4))
    totals = counts.sum(axis=1, keepdims=True)
    pooled = scipy.stats.poisson(totals * counts.sum(axis=0) / counts.sum()).logpmf(counts).sum(axis=1)
    assert pooled.mean() + 1 < coder.score(counts) < 0
    rows = coder.inverse_transform(coder.transform(counts))
    np.testing.assert_allclose(rows.sum(axis=1), totals.mean(), rtol=0.05)
    typical = np.log(counts.mean(axis=0))
    assert np.abs(coder.intercept_ - typical).max() < 2
    for value in (-1, 0.5):
        wrong = counts.astype(float)
        wrong[3, 2] = value
        message = r"^X: expected counts 0, 1, 2, \.\.\. for the .*, got (-1.0|0.5) in row 3, column 2$"
        assert_refused(message, coder.transform, wrong)


def test_one_hot_columns_are_scored_by_the_class_of_each_group():
    classes = np.random.default_rng(0).choice(3, 300, p=[0.6, 0.3, 0.1])
    X = np.c_[np.eye(3)[classes], np.eye(2)[(classes > 0).astype(int)]]
    coder = VariationalSparseCoding(3, likelihood="categorical", alpha=0.3, steps=200, random_state=0).fit(X)
    apart = 2 * -0.65 - 0.35  # entropies .90 and .67, and .90 of the two groups together
    assert apart < coder.score(X) < -0.85
    rows = coder.inverse_transform(coder.transform(X))
    np.testing.assert_allclose([rows[:, :3].sum(axis=1), rows[:, 3:].sum(axis=1)], 1, rtol=1e-5)
    X[:, 3:] = [1, 0]
    assert_refused("^X: column 3 has one class alone, 1 in every row; leave it out$", coder.fit, X)


def test_outliers_cost_a_student_t_less_than_a_gaussian():
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, (300, 3)) + 5
    fitted = {
        likelihood: VariationalSparseCoding(
            2, likelihood=likelihood, inference="encoder", steps=300, random_state=0
        ).fit(X)
        for likelihood in ("student_t", "gaussian")
    }
    assert fitted["student_t"].score(X) > fitted["gaussian"].score(X) + 0.3
    assert np.exp(fitted["student_t"].model_.decoder.log_df).max() < 7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 0.3, 333333.33])
def test_a_constant_feature_is_not_scaled(value, dtype, gaussian):
    # Of 250 rows, float64 gives deviations of 1e-16 to 1e-10 for these.
    X = np.c_[gaussian, np.full(len(gaussian), value)].astype(dtype)
    coder = VariationalSparseCoding(steps=4, random_state=0).fit(X)
    assert coder.scale_[-1] == 1
    score = coder.score(X)
    X[:, -1] *= 1 + 1e-12
    assert coder.score(X) == pytest.approx(score, abs=0.5)  # its samples follow the bits of a row


def test_a_rare_value_costs_no_more_than_its_distance(gaussian):
    X = np.c_[gaussian, np.zeros(len(gaussian))]
    X[0, -1] = 16
    coder = VariationalSparseCoding(steps=4, random_state=0).fit(X)
    assert coder.scale_[-1] == pytest.approx((16 - 16 / 250) / 4)
    np.testing.assert_allclose(coder.scale_[:-1], gaussian.std(axis=0))


def test_data_that_cannot_be_used_are_refused(coder, gaussian):
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        VariationalSparseCoding().fit(gaussian[:1])
    few = np.zeros((4, 2))
    assert_refused(
        "X has 2 columns, but the codes of this Variational.* have 16", coder.inverse_transform, few
    )
    assert_refused("float32", coder.transform, np.full((1, 3), 1e300))
    with pytest.raises(NotFittedError):
        VariationalSparseCoding().inverse_transform(gaussian)
