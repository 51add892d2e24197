"""``python -m vsc_jax.evaluate``: on a run, on a saved model, on what is neither."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from vsc_jax.evaluate import main

from vsc_jax.config import CheckpointConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import streams
from vsc_jax.data.streams import Stream
from vsc_jax.evaluation import evaluate
from vsc_jax.evaluation.encoding import map_batches
from vsc_jax.run import open_run
from vsc_jax.training.checkpoints import Checkpoints
from vsc_jax.training.run_folder import read_rows
from vsc_jax.training.step import initial_state


@pytest.fixture
def expected(saved):
    """What the evaluation must find."""
    run = open_run(saved)
    history = read_rows(saved / "metrics.jsonl")
    return evaluate(run.model(), run.dataset(), run.config, history=history)


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_saved_model_is_measured(saved, expected, capsys):
    main([str(saved)])
    assert results(saved) == pytest.approx(expected)
    shown = capsys.readouterr().out
    assert "tiny.npz, 40 test examples, grey values" in shown
    assert "true bound: reconstruction - kl" in shown
    assert "too short: 100 iterations are too few to learn much" in shown
    assert f"written: {saved / 'results.json'}" in shown


@pytest.mark.parametrize("step", [100, 40])
def test_only_a_finished_run_keeps_its_results(step, saved, expected, capsys):
    """Or training, when it is resumed, would take them for its own."""
    state = initial_state(nnx.state(open_run(saved).model()))._replace(step=jnp.int32(step))
    with Checkpoints(saved / "checkpoints", CheckpointConfig()) as checkpoints:
        checkpoints.save(state)
    for name in ("model.safetensors", "results.json"):
        (saved / name).unlink()
    main([str(saved)])
    if step == 100:
        assert results(saved) == pytest.approx(expected)
    else:
        assert "not written: training is at iteration 40 of 100" in capsys.readouterr().out
        assert not (saved / "results.json").exists()


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


def test_refined_posteriors_are_shown_and_not_kept(make_run, tmp_path, capsys):
    folder = make_run(tmp_path / "vsc", results={"elbo": 0.0}, prior="fixed")
    run = open_run(folder)
    main([str(folder), "--refine", "3", "--json"])
    shown = json.loads(capsys.readouterr().out)["results"]
    assert shown["refine"] == 3
    key = jax.random.split(streams.key(run.config.seed, Stream.EVALUATION), 3)[0]
    x = np.asarray(run.dataset().test.x)
    assert shown["elbo"] > map_batches(type(run.model()).bounds, run.model(), x, key)["elbo"].mean() + 0.01
    assert results(folder) == {"elbo": 0.0}
    with pytest.raises(UserError, match="refine: expected a whole number of steps, 0 or more, got -3"):
        main([str(folder), "--refine", "-3"])


@pytest.mark.parametrize(("options", "message"), [
    ("--samples 0", "evaluate.samples: expected a number from 1"),
    ("--refine 5", "refine: only a VSC has gates to refine, not a model of class VAE"),
    ("--output no/such/folder/x.json", "--output: no folder"),
])  # fmt: skip
def test_values_that_cannot_be_used_are_refused_before_the_work(saved, options, message):
    with pytest.raises(UserError, match=message):
        main([str(saved), *options.split()])
    assert results(saved) == {"elbo": 0.0}
