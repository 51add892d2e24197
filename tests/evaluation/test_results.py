"""The whole table of results: which keys there are, that it is plain JSON, that it can be repeated."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import Config, DataConfig, EvaluateConfig, ModelConfig
from vsc_jax.data import Dataset, Split, load
from vsc_jax.evaluation import evaluate
from vsc_jax.evaluation import results as results_module
from vsc_jax.evaluation.glossary import explain
from vsc_jax.evaluation.reconstruction import total_variance
from vsc_jax.evaluation.results import binarized, in_words
from vsc_jax.models import build

CONFIG = Config(
    data=DataConfig(name="smiley", train_examples=200, test_examples=100),
    evaluate=EvaluateConfig(samples=5, examples=40, batch_size=64, probe_examples=150),
)
CONTRACT = {"elbo", "iwae", "reconstruction", "kl", "active_per_image", "used_latents"}


@pytest.fixture(scope="module")
def faces() -> Dataset:
    return load(CONFIG.data)


@pytest.fixture(scope="module")
def letters() -> Dataset:
    """Grey images of three classes, without true factors."""
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (200, 6, 5), np.uint8), rng.integers(0, 3, 200).astype(np.int32)
    return Dataset("letters", Split(x[:150], labels[:150]), Split(x[150:], labels[150:]))


def tiny(dataset: Dataset, kind: str, **settings):
    sizes = {"latents": 5, "hidden": (8,), "prior": "pseudo", "pseudo_inputs": 4, "noise": 0.0}
    config = ModelConfig(kind=kind, **{**sizes, **settings})
    return build(config, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)


def measured(dataset: Dataset, kind: str, config: Config = CONFIG, **options):
    return evaluate(tiny(dataset, kind), dataset, config, **options)


@pytest.fixture(scope="module")
def plain(faces, letters):
    """Results of a VSC, by data set."""
    return {dataset.name: measured(dataset, "vsc") for dataset in (faces, letters)}


def test_a_vsc_on_smiley_reports_everything(plain):
    results = plain["smiley"]
    extra = {"attributes_found", "gate_auc_bow_tie", "feature_correlation", "feature_ceiling_share"}
    kept = {"elbo_classifier", "paper_objective", "selection_gap_paper", "hoyer"}
    assert CONTRACT | extra | kept <= set(results)
    assert results["data"] == "smiley, 100 test examples, binary values"
    assert (results["test_examples"], results["iwae_examples"], results["iwae_samples"]) == (100, 40, 5)
    assert results["elbo"] == pytest.approx(results["reconstruction"] - results["kl"], rel=1e-5)
    assert not [name for name in results if name.startswith(("probe_accuracy", "cluster_"))]  # no labels
    assert 0 <= results["idle_latents"] <= results["used_latents"]
    assert 0 <= results["effective_active"] <= results["active_per_image"]


def test_a_posterior_that_ignores_the_data_has_collapsed(letters):
    graph, params = nnx.split(tiny(letters, "vae"))
    model = nnx.merge(graph, jax.tree.map(jnp.zeros_like, params))
    results = evaluate(model, letters, CONFIG)
    assert (results["posterior_collapse"], results["coefficient_collapse"]) == (1, 0)
    left = results["mse"] / total_variance(letters.test.x)
    assert results["explained_variance"] == pytest.approx(1 - left)


def test_vectors_with_labels_have_a_probe_of_their_own_values(letters):
    # The first value is the class, and the code of an untrained model does not tell it.
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(200, 6)).astype(np.float32), rng.integers(0, 2, 200).astype(np.int32)
    x[:, 0] = labels
    vectors = Dataset("vectors", Split(x[:150], labels[:150]), Split(x[150:], labels[150:]))
    model = tiny(vectors, "ae", likelihood="gaussian", latents=1)
    results = evaluate(model, vectors, CONFIG)
    assert results["probe_accuracy_raw"] == 1.0
    assert results["probe_accuracy"] < 0.9
    assert "probe_accuracy_raw" not in measured(letters, "ae")


@pytest.mark.parametrize(("name", "added"), [
    ("letters", "probe_accuracy_raw probe_accuracy_z neighbour_accuracy_z sparse_probe_5 denoising_mse_0.2 "
                "filled_explained_variance"),
    ("smiley", "feature_mig feature_infom feature_sap feature_r2 attribute_explicitness factor_vae"),
])  # fmt: skip
def test_all_adds_what_takes_minutes(faces, letters, plain, monkeypatch, name, added):
    monkeypatch.setattr("vsc_jax.evaluation.results._FILLED", 2)
    results = measured(faces if name == "smiley" else letters, "vsc", everything=True)
    assert set(added.split()) <= set(results) - set(plain[name])
    # A key that nothing explains would be shown without a word.
    assert not [key for key in results if explain(key) is None]
    plain = json.loads(json.dumps(results, allow_nan=False))
    assert plain == results
    assert all(isinstance(value, str) or math.isfinite(value) for value in plain.values())


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_models_without_gates_report_what_they_have(letters, kind):
    stages = []
    results = measured(letters, kind, on_stage=stages.append)
    told = ["bound and codes", "iwae of 5 samples: 40 of 40 examples", "linear probe"]
    assert stages == [stage for stage in told if kind == "vae" or "iwae" not in stage]
    assert ("elbo" in results) == ("iwae" in results) == (kind == "vae")
    assert results["active_per_image"] == 5
    assert {"used_latents", "probe_accuracy", "mse", "explained_variance"} <= set(results)
    assert {"idle_latents", "mean_gamma", "selection_kl", "classifier_agreement"}.isdisjoint(results)


def test_an_evaluation_can_be_repeated_and_depends_on_seed_and_binarization(letters, plain):
    grey = plain["letters"]
    assert grey == measured(letters, "vsc")
    assert grey["data"] == "letters, 50 test examples, grey values"
    assert measured(letters, "vsc", dataclasses.replace(CONFIG, seed=1))["iwae"] != grey["iwae"]
    dynamic = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, binarize="dynamic"))
    binary = measured(letters, "vsc", dynamic)
    assert binary["data"] == "letters, 50 test examples, binarised dynamically"
    for name in ("elbo", "iwae", "mse", "mean_gamma", "probe_accuracy"):
        assert binary[name] != grey[name]


def test_probes_and_iwae_take_samples_of_data_sorted_by_class(letters, monkeypatch):
    y = np.repeat(np.arange(3, dtype=np.int32), 50)
    x = letters.train.x.copy()
    x[:, :3] = 100 * y[:, None, None]
    by_class = Dataset("sorted", Split(x, y), Split(x, y))
    config = dataclasses.replace(CONFIG, evaluate=EvaluateConfig(samples=5, examples=40, probe_examples=40))
    monkeypatch.setattr(results_module, "importance_weighted", lambda model, x, key, **_: x[:, 0, 0] / 100)
    found = measured(by_class, "vsc", config, everything=True)
    assert found["iwae"] == pytest.approx(1, abs=0.2)  # the mean class
    assert found["probe_accuracy_raw"] == 1.0  # the first 40 are of one class


GREY = np.random.default_rng(0).integers(0, 256, (2000, 3, 3), np.uint8)


def test_dynamic_binarisation_is_one_draw_for_a_seed_and_others_leave_examples_as_they_are():
    drawn, again, other = (binarized(GREY, "dynamic", np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert set(np.unique(drawn)) == {0, 255}
    assert drawn.mean() == pytest.approx(GREY.mean(), rel=0.03)
    np.testing.assert_array_equal(drawn, again)
    assert (drawn != other).any()
    for binarize in ("none", "static"):
        assert binarized(GREY, binarize, np.random.default_rng(0)) is GREY


BINARY = np.where(GREY > 99, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(("x", "binarize", "words"), [
    (GREY, "none", "grey values"),
    (GREY, "dynamic", "binarised dynamically"),
    (BINARY, "static", "binarised statically"),
    (BINARY, "literature", "binarised as in the literature"),
    (BINARY, "none", "binary values"),
    ((GREY > 99).astype(np.float32), "none", "binary values"),
    (np.repeat(GREY[..., None], 3, axis=-1), "none", "colour values"),
    (np.ones((2000, 4), np.float32) / 3, "none", "real values"),
])  # fmt: skip
def test_words_say_what_the_numbers_are_about(x, binarize, words):
    dataset = Dataset("letters", Split(x), Split(x))
    assert in_words(dataset, binarize) == f"letters, 2,000 test examples, {words}"
