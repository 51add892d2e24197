"""``python -m vsc_jax.evaluate``: on a run, on a saved model, on what is neither."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from vsc_jax.evaluate import main

from vsc_jax import data
from vsc_jax.config import Config, DataConfig, EvaluateConfig, ModelConfig, TrainConfig
from vsc_jax.config.errors import UserError
from vsc_jax.evaluation import evaluate
from vsc_jax.models import Model, build
from vsc_jax.run import Run, describe, save
from vsc_jax.training.checkpoints import Checkpoints
from vsc_jax.training.run_folder import claim, hold
from vsc_jax.training.step import initial_state

CONFIG = Config(
    data=DataConfig(name="smiley", train_examples=60, test_examples=50),
    model=ModelConfig(kind="vae", latents=2, hidden=(4,)),
    train=TrainConfig(steps=1000),
    evaluate=EvaluateConfig(samples=2),
)


@pytest.fixture(scope="module")
def dataset() -> data.Dataset:
    return data.load(CONFIG.data)


@pytest.fixture(scope="module")
def model(dataset: data.Dataset) -> Model:
    return build(CONFIG.model, dataset.example_shape, jax.random.key(0))


@pytest.fixture(scope="module")
def expected(model: Model, dataset: data.Dataset) -> dict:
    """What the evaluation must find."""
    return evaluate(model, dataset, CONFIG)


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    """A saved model without results worth keeping."""
    return save(Run(model, {"elbo": 0.0}, [], None, CONFIG), tmp_path / "saved")


@pytest.fixture(params=[1000, 400], ids=["finished", "unfinished"])
def run(request, model: Model, dataset: data.Dataset, tmp_path: Path) -> tuple[Path, int]:
    """A run folder without results, and the iteration that its checkpoint is of."""
    folder = tmp_path / "run"
    with hold(folder):
        claim(folder, CONFIG, describe(dataset))
    state = initial_state(nnx.state(model))._replace(step=jnp.int32(request.param))
    with Checkpoints(folder / "checkpoints", CONFIG.checkpoint) as checkpoints:
        checkpoints.save(state)
    return folder, request.param


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_a_saved_model_is_measured(saved, expected, capsys):
    main([str(saved)])
    assert results(saved) == pytest.approx(expected)
    shown = capsys.readouterr().out
    assert "smiley, 50 test examples, binary values" in shown
    assert "true bound: reconstruction - kl" in shown
    assert f"written: {saved / 'results.json'}" in shown


def test_only_a_finished_run_keeps_its_results(run, expected, capsys):
    """Or training, when it is resumed, would take them for its own."""
    folder, step = run
    main([str(folder)])
    shown = capsys.readouterr().out
    if step == CONFIG.train.steps:
        assert results(folder) == pytest.approx(expected)
    else:
        assert "not written: training is at iteration 400 of 1,000" in shown
        assert not (folder / "results.json").exists()


def test_options_change_the_evaluation_and_where_it_is_written_and_nothing_else(saved, expected, tmp_path):
    config = (saved / "config.json").read_text()
    main([str(saved), "--examples", "30", "--output", str(tmp_path / "mine.json")])
    written = json.loads((tmp_path / "mine.json").read_text())
    assert written["iwae_examples"] == 30
    assert written["elbo"] == pytest.approx(expected["elbo"])
    assert results(saved) == {"elbo": 0.0}
    assert (saved / "config.json").read_text() == config


def test_another_presentation_of_the_data_is_shown_and_not_kept(saved, capsys):
    main([str(saved), "--binarize", "dynamic"])
    shown = capsys.readouterr().out
    assert "binarised dynamically" in shown
    assert "not written: the run's own results are not about data.binarize dynamic" in shown
    assert results(saved) == {"elbo": 0.0}
    with pytest.raises(UserError, match=f"^{saved}: cannot be written .Is a directory"):
        main([str(saved), "--output", str(saved)])


def test_refined_posteriors_are_shown_and_not_kept(dataset, tmp_path, capsys):
    config = replace(CONFIG, model=ModelConfig(latents=2, hidden=(4,), pseudo_inputs=2))
    vsc = build(config.model, dataset.example_shape, jax.random.key(0))
    folder = save(Run(vsc, {"elbo": 0.0}, [], None, config), tmp_path / "vsc")
    main([str(folder), "--refine", "3", "--json"])
    shown = json.loads(capsys.readouterr().out)["results"]
    assert shown["refine"] == 3
    assert shown["elbo"] > evaluate(vsc, dataset, config)["elbo"] + 0.01
    assert results(folder) == {"elbo": 0.0}
    with pytest.raises(UserError, match="refine: expected a whole number of steps, 0 or more, got -3"):
        main([str(folder), "--refine", "-3"])


def test_what_is_no_run_is_refused_in_one_line(saved, tmp_path):
    with pytest.raises(UserError, match="nowhere: neither a run folder nor a saved model"):
        main([str(tmp_path / "nowhere")])
    described = json.loads((saved / "data.json").read_text())
    (saved / "data.json").write_text(json.dumps({**described, "name": "cats"}))
    with pytest.raises(UserError, match="was trained on other data than its config"):
        main([str(saved)])
    (saved / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no checkpoints"):
        main([str(saved)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "0"], "evaluate.samples: expected a number from 1"),
        (["--refine", "5"], "refine: only a VSC has gates to refine, not a model of class VAE"),
        (["--output", "no/such/folder/x.json"], "--output: no folder"),
    ],
)
def test_values_that_cannot_be_used_are_refused_before_the_work(saved, options, message):
    with pytest.raises(UserError, match=message):
        main([str(saved), *options])
    assert results(saved) == {"elbo": 0.0}
