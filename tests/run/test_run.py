"""A run from configuration to results: fit, load and save; every damage told in one line."""

import dataclasses
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas
import pytest
from flax import nnx

import vsc_jax
from tests.refused import assert_refused, error_of
from tests.tiny import CONFIG, contents, identical, noise
from vsc_jax.config import replaced
from vsc_jax.data import Dataset, Split
from vsc_jax.models import scaling
from vsc_jax.run.model_card import model_card
from vsc_jax.spike_slab import SpikeSlab
from vsc_jax.training import initial_model

LICENSE = "License of the data: "
UNKNOWN = LICENSE + "not known to vsc_jax. Pseudo-inputs resemble training examples"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run in its folder."""
    return vsc_jax.fit(CONFIG, tmp_path_factory.mktemp("runs") / "run", dataset=noise())


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    """The folder of its saved model."""
    return vsc_jax.save(run, tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run's folder, to be damaged."""
    return Path(shutil.copytree(run.workdir, tmp_path / "copy"))


@pytest.fixture
def saved_copy(saved, tmp_path):
    """A copy of the saved model, to be damaged."""
    return Path(shutil.copytree(saved, tmp_path / "saved"))


def test_the_run_folder_holds_what_the_run_says(run):
    files = {"config.json", "data.json", "data.npz", "metrics.jsonl", "results.json"}
    assert {path.name for path in run.workdir.iterdir()} == {".lock", "checkpoints", *files}
    assert run.config == replaced(CONFIG, {"data.name": "tiny"})
    assert json.loads((run.workdir / "results.json").read_text()) == run.results
    lines = (run.workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.history
    assert [row["step"] for row in run.history] == [3, 6]
    data = json.loads((run.workdir / "data.json").read_text())
    assert (data["name"], data["example_shape"], data["train_examples"]) == ("tiny", [4, 4], 50)
    results = run.results
    assert results["elbo"] == pytest.approx(results["reconstruction"] - results["kl"], rel=1e-5)
    assert results["elbo"] <= results["iwae"] < 0
    assert 0 <= results["active_per_image"] <= 3


def test_a_finished_run_is_given_back_without_training_or_evaluation(run, monkeypatch):
    before = contents(run.workdir)
    monkeypatch.setattr("vsc_jax.training.loop.run_chunk", None)
    monkeypatch.setattr("vsc_jax.evaluation.evaluate", None)
    # How data are described decides nothing.
    reworded = dataclasses.replace(noise(), description="Noise, in other words")
    again = vsc_jax.fit(CONFIG, run.workdir, dataset=reworded)
    assert (again.results, again.history) == (run.results, run.history)
    identical(again.model, run.model)
    assert contents(run.workdir) == before


def test_a_run_stopped_before_its_evaluation_is_evaluated(run, copy):
    (copy / "results.json").unlink()
    (copy / "figures").mkdir()  # a folder that is there is taken for drawn figures, and left alone
    stages = []
    config = replaced(CONFIG, {"evaluate.figures": True})
    again = vsc_jax.fit(config, copy, dataset=noise(), on_stage=stages.append)
    assert again.results == run.results
    assert contents(copy) == contents(run.workdir)
    assert stages
    assert "figures" not in stages


def test_fit_takes_paths_frames_and_arrays_and_names_what_it_cannot_use(tmp_path):
    np.save(tmp_path / "x.npy", noise().train.x)
    config = replaced(CONFIG, {"model.kind": "ae"})
    given = vsc_jax.fit(config, tmp_path / "given", dataset=str(tmp_path / "x.npy"))
    assert given.config.data.path == tmp_path / "x.npy"
    assert not (tmp_path / "given" / "data.npz").exists()
    identical(given.model, vsc_jax.fit(given.config).model)  # the data of the configuration
    frame = pandas.DataFrame({"width": [1.0, 2, 3], "height": [0.5, np.nan, 0.25]})
    missing, outside = "^row 1, column 'height': missing value$", r"^arrays: expected values in \[0, 1\] "
    for data, message in ((frame, missing), (np.full((30, 2), 7.0), outside)):
        assert_refused(message, vsc_jax.fit, CONFIG, tmp_path / "run", dataset=data)
    assert not (tmp_path / "run").exists()


def test_a_loaded_model_gives_the_same_outputs(run, saved):
    x = noise().test.x
    expected = run.model.encode(x)
    assert isinstance(expected, SpikeSlab)
    for folder in (run.workdir, saved, str(saved)):
        model = vsc_jax.load(folder)
        identical(model, run.model)
        jax.tree.map(np.testing.assert_array_equal, model.encode(x), expected)
        np.testing.assert_array_equal(model.reconstruct(x), run.model.reconstruct(x))


def test_the_scaling_travels_with_run_folder_and_saved_model(tmp_path):
    x = np.random.default_rng(0).normal([0, 300, -5], [1, 100, 0.1], (70, 3)).astype(np.float32)
    far = Dataset("far", Split(x[:50]), Split(x[50:]), scaling=scaling.fit("standardize", x[:50]))
    config = replaced(CONFIG, {"model.kind": "ae", "model.likelihood": "gaussian"})
    run = vsc_jax.fit(config, tmp_path / "run", dataset=far)
    assert "values standardized" in run.results["data"]
    saved = vsc_jax.save(run, tmp_path / "saved")
    bare = vsc_jax.save(dataclasses.replace(run, workdir=None), tmp_path / "bare")
    for folder in (run.workdir, saved, bare):
        model = vsc_jax.load(folder)
        assert model.decoder.scaling == far.scaling
        np.testing.assert_array_equal(model.reconstruct(far.test.x), run.model.reconstruct(far.test.x))
    data = json.loads((saved / "data.json").read_text())
    data["scaling"]["scale"] = [1.0, 0.0, 1.0]
    (saved / "data.json").write_text(json.dumps(data))
    assert refusal(saved).startswith(f"{saved}/data.json: scaling.scale: expected finite positive")


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_other_models_come_back_too(kind, tmp_path):
    settings = {"model.kind": kind, "model.network": "conv", "model.likelihood": "gaussian"}
    config = replaced(CONFIG, settings)
    run = vsc_jax.Run(initial_model(config, noise()), {}, [], None, config)
    identical(vsc_jax.load(vsc_jax.save(run, tmp_path / "model")), run.model)


def test_a_saved_model_is_small_and_plain_and_replaced_when_saved_again(run, saved, saved_copy):
    from safetensors.numpy import load_file

    files = {"README.md", "config.json", "data.json", "model.safetensors", "results.json"}
    assert {path.name for path in saved.iterdir()} == files
    weights = load_file(saved / "model.safetensors")
    np.testing.assert_array_equal(weights["encoder/layers/0/kernel"], run.model.encoder.layers[0].kernel[...])
    assert json.loads((saved / "results.json").read_text()) == run.results
    assert json.loads((saved / "data.json").read_text())["train_examples"] == 50
    (saved_copy / "model.safetensors").write_bytes(b"old")
    vsc_jax.save(run, saved_copy)
    assert contents(saved_copy) == contents(saved)


def test_a_model_is_saved_in_half_precision_and_loaded_in_full(run, saved, tmp_path):
    half = vsc_jax.save(run, tmp_path / "half", half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (half, saved)]
    assert sizes[0] < 0.6 * sizes[1]
    rounded = jax.tree.map(lambda leaf: leaf.astype(np.float16).astype(np.float32), nnx.state(run.model))
    jax.tree.map(np.testing.assert_array_equal, nnx.state(vsc_jax.load(half)), rounded)
    assert "| parameters | 5,837 in float16, 0.0 MiB |" in (half / "README.md").read_text()


def test_a_weight_that_half_precision_does_not_hold_is_named(tmp_path):
    model = initial_model(CONFIG, noise())
    model.decoder.trunk.layers[1].bias[...] = np.full(16, 7e4, np.float32)
    large = vsc_jax.Run(model, {}, [], None, CONFIG)
    beyond = "^half: decoder/trunk/layers/1/bias holds values beyond those of float16, 65,504$"
    assert_refused(beyond, vsc_jax.save, large, tmp_path / "half", half=True)
    assert not (tmp_path / "half").exists()


def test_a_model_without_its_classifier_gives_the_same_bound(run, tmp_path):
    model = vsc_jax.load(run.workdir)
    expected = model.bounds(noise().test.x, jax.random.key(0))["elbo"]
    model.classifier = None
    folder = vsc_jax.save(dataclasses.replace(run, model=model), tmp_path / "without")
    loaded = vsc_jax.load(folder)
    assert loaded.classifier is None
    np.testing.assert_array_equal(loaded.bounds(noise().test.x, jax.random.key(0))["elbo"], expected)
    config = json.loads((folder / "config.json").read_text())
    config["model"]["selection"] = "soft"
    (folder / "config.json").write_text(json.dumps(config))
    lacking = r"classifier/network/layers/0/bias: expected shape \(256,\), found None"
    assert_refused(lacking, vsc_jax.load, folder)


def test_the_card_of_a_saved_model_tells_sizes_data_and_results(run, saved):
    card = (saved / "README.md").read_text()
    # 16 -> 8 -> 9, 3 -> 8 -> 16, four pseudo-inputs of 16 and a classifier 16 -> 256 -> 4.
    assert "| parameters | 5,837 in float32, 0.0 MiB |" in card
    assert "| latents | 3 |" in card
    assert "Noise" in card
    assert f"| `elbo` | {run.results['elbo']:.2f} | true bound: reconstruction - kl |" in card
    assert "# Variational Sparse Coding on tiny" in card
    assert "datasets: []" in card
    assert UNKNOWN in card


@pytest.mark.parametrize(("changes", "name", "texts"), [
    ({}, "smiley", ["# Variational Sparse Coding on Smiley", LICENSE + "drawn by vsc_jax itself, MIT.",
                    "Not measured."]),
    ({"model.network": "conv1d"}, "a", ["| networks | convolutional networks over time, "]),
    ({"model.network": "gated"}, "a", ["| networks | gated, fully connected networks (8), "]),
    ({"data.path": "smiley"}, "smiley", [UNKNOWN]),
    ({"model.prior": "components"}, "a", ["The weights hold 4 training examples as they are"]),
    ({"model.decoder": "linear"}, "a", ["| networks | fully connected networks (8), a linear decoder, "]),
    ({"model.decoder": "linear", "model.inference": "ascent"}, "a", ["| no encoder, a linear decoder, "]),
])  # fmt: skip
def test_a_card_names_data_networks_and_licenses(changes, name, texts):
    card = model_card(replaced(CONFIG, changes), {"name": name, "example_shape": [4, 4]}, {}, {})
    assert all(text in card for text in texts)


def test_loading_a_saved_model_imports_nothing_that_trains_or_draws(saved):
    heavy = {"orbax", "grain", "tensorflow_datasets", "sklearn", "matplotlib", "huggingface_hub"}
    load = "import sys, vsc_jax; vsc_jax.load(sys.argv[1]).sample"
    program = f"{load}; print(list({heavy | {'tensorboardX'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program, saved], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_model_is_not_saved_over_a_run_or_a_file(run, copy, tmp_path):
    before = contents(copy)
    untyped = inspect.unwrap(vsc_jax.save)  # outside the tests nothing looks at types
    assert_refused("^run: expected what vsc_jax.fit gives, got VSC$", untyped, run.model, copy)
    assert_refused("is a run folder; save the model to a folder of its own$", vsc_jax.save, run, copy)
    assert contents(copy) == before
    (tmp_path / "file").write_text("precious")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert_refused(r"cannot be written \(", vsc_jax.save, run, folder)
    assert (tmp_path / "file").read_text() == "precious"


def refusal(folder):
    return error_of(vsc_jax.load, folder)


def test_what_is_no_run_is_refused(tmp_path, copy):
    for folder in (tmp_path, tmp_path / "missing"):
        assert refusal(folder) == f"{folder}: neither a run folder nor a saved model (no config.json)"
    shutil.rmtree(copy / "checkpoints")
    assert refusal(copy) == f"{copy}: no checkpoints; the run has not saved anything yet"
    (copy / "checkpoints").mkdir()
    assert refusal(copy) == f"{copy / 'checkpoints'}: no checkpoint"


@pytest.mark.parametrize(("name", "content", "message"), [
    ("config.json", '{"model": {"latent": 3}}', "model.latent: unknown key"),
    ("data.json", "", "not a readable JSON file"),
    ("data.json", "{}", "example_shape: expected a list of positive integers, got None"),
    ("data.json", '{"example_shape": [4, -4]}', "example_shape: expected a list of positive integers"),
    ("data.json", '{"example_shape": [4], "train_examples": 0}', "train_examples: expected a positive"),
    ("model.safetensors", "", "not a readable safetensors file"),
    ("model.safetensors", "x" * 100, "not a readable safetensors file"),
])  # fmt: skip
def test_a_damaged_file_is_named(saved_copy, name, content, message):
    (saved_copy / name).write_text(content)
    assert refusal(saved_copy).startswith(f"{saved_copy / name}: {message}")


def test_a_model_that_does_not_fit_its_configuration_is_refused(saved_copy):
    config = json.loads((saved_copy / "config.json").read_text())
    config["model"]["hidden"] = [9]
    (saved_copy / "config.json").write_text(json.dumps(config))
    shape = "decoder/trunk/layers/0/bias: expected shape (9,), found (8,)"
    assert refusal(saved_copy) == f"{saved_copy / 'model.safetensors'}: {shape}"
