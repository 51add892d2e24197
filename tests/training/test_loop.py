"""The loop: what it logs, and that a run resumed after any accident is the run that never stopped."""

import dataclasses
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.refused import error_of
from vsc_jax.config import load_preset, with_overrides
from vsc_jax.data import Split, from_arrays
from vsc_jax.training import TrainingError, train
from vsc_jax.training.loop import check_finite
from vsc_jax.training.run_folder import read_rows


def test_one_row_a_log_step_and_one_for_the_shorter_end(finished):
    rows = read_rows(finished.workdir / "metrics.jsonl")
    assert rows == finished.trained.history
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 23]
    names = {"step", "loss", "elbo", "reconstruction", "kl", "gradient_norm", "parameter_norm", "update_norm"}
    assert names <= rows[0].keys()
    assert all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
    # Over 23 iterations the KL is annealed in the first quarter, six of them.
    kl = [row["schedule"]["kl"] for row in rows]
    assert kl == pytest.approx([4 / 6, 1, 1, 1, 1])


def test_in_memory_it_is_the_same_run_and_the_seed_decides(finished):
    finished.assert_same(None, train(finished.config, finished.dataset))
    other = train(dataclasses.replace(finished.config, seed=1), finished.dataset)
    assert other.history[0]["loss"] != finished.trained.history[0]["loss"]


def test_checkpoints_are_made_where_asked_and_at_the_end_and_ctrl_c_leaves_whole_rows(finished, stopped):
    assert {path.name for path in (finished.workdir / "checkpoints").iterdir()} == {"20", "23"}
    assert int(finished.state.step) == 23
    assert [row["step"] for row in read_rows(stopped / "metrics.jsonl")] == [5, 10, 15]
    assert [path.name for path in (stopped / "checkpoints").iterdir()] == ["10"]


@pytest.mark.parametrize("accident", [None, "torn row", "whole row", "before a checkpoint", "while saving"])
def test_a_run_stopped_at_any_moment_is_resumed_to_the_same_bits(finished, workdir, accident):
    tails = {"torn row": '{"step": 20, "lo', "whole row": '{"step": 20, "loss": 1.0}\n{"step": 23,'}
    with (workdir / "metrics.jsonl").open("a") as file:
        file.write(tails.get(accident, ""))
    if accident == "before a checkpoint":
        shutil.rmtree(workdir / "checkpoints")
    if accident == "while saving":
        (workdir / "checkpoints" / "20.orbax-checkpoint-tmp-1").mkdir()
    seen = []
    trained = train(finished.config, finished.dataset, workdir, lambda row: seen.append(row["step"]))
    assert seen == ([5, 10, 15, 20, 23] if accident == "before a checkpoint" else [10, 15, 20, 23])
    finished.assert_same(workdir, trained)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_window(tiny, tmp_path):
    # A run on healthy data goes on from iteration 10 on data whose squares are beyond float32.
    config = tiny("ae", model={"likelihood": "gaussian"}, train={"steps": 20})
    healthy, sick = (from_arrays(np.full((40, 3), value, np.float32)) for value in (0.5, 1e30))
    train(config, healthy, tmp_path)
    (tmp_path / "healthy").write_bytes((tmp_path / "metrics.jsonl").read_bytes())
    shutil.rmtree(tmp_path / "checkpoints" / "20")
    before = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    message = "^reconstruction is nan in iterations 10 to 14; a smaller train.learning_rate may help$"
    with pytest.raises(TrainingError, match=message):
        train(config, sick, tmp_path)
    assert before == sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["10"]
    kept = (tmp_path / "metrics.jsonl").read_text()
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [5, 10]
    assert (tmp_path / "healthy").read_text().startswith(kept)


@pytest.mark.parametrize(("changes", "message"), [
    ({"batch_size": 51}, "train.batch_size: 51 is more than the 50 training examples"),
    ({"network": "conv"}, "model.network: conv needs images, but the examples have shape [16]"),
    ({"latents": 2**31 - 1}, "model.latents, model.hidden, model.pseudo_inputs: "),
    ({"hidden": (2**31 - 1,) * 2}, "model.latents, model.hidden, model.pseudo_inputs: "),
    ({"kind": "vsc", "pseudo_inputs": 2**31 - 1}, "model.latents, model.hidden, model."),
    ({}, "tiny: expected values in [0, 1] for the bernoulli likelihood"),
])  # fmt: skip
def test_a_configuration_that_does_not_suit_the_data_is_refused_first(
    tiny, dataset, changes, message, tmp_path
):
    x = np.random.default_rng(0).random((50, 16), np.float32) * np.float32(1 if changes else 2)
    vectors = dataclasses.replace(dataset, train=Split(x), test=Split(x))
    section = "train" if "batch_size" in changes else "model"
    assert error_of(train, tiny(**{section: changes}), vectors, tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_standardized_digits_stay_finite_at_a_rate_ten_times_the_presets():
    changes = {"model.likelihood": "gaussian", "model.hidden": [64], "model.pseudo_inputs": 16}
    changes |= {"train.steps": 300, "train.learning_rate": 2e-2}
    digits = from_arrays(load_digits().data.astype(np.float32), scaling="standardize")
    history = train(with_overrides(load_preset("smiley_vsc"), changes), digits).history
    assert history[-1]["elbo"] > -80


def test_what_goes_wrong_in_the_first_iteration_is_not_blamed_on_the_rate(tiny):
    x = np.full((40, 3), 1e30, np.float32)
    x[:, 1:] = np.random.default_rng(0).random((40, 2))
    message = r" in iterations 0 to 4; .* data\.scaling may help if the data's values are large"
    with pytest.raises(TrainingError, match=message):
        train(tiny("ae", model={"likelihood": "gaussian"}), from_arrays(x))


@pytest.mark.parametrize(("metrics", "name"), [
    ({"loss": np.nan, "elbo": np.nan, "kl": np.inf, "gradient_norm": np.nan}, "kl is inf"),
    ({"loss": 1.0, "gradient_norm": np.inf}, "gradient_norm is inf"),
])  # fmt: skip
def test_causes_are_named_before_effects(metrics, name):
    with pytest.raises(TrainingError, match=f"^{name} in iterations 5 to 9; "):
        check_finite({"step": 10, **metrics}, 5)
    check_finite({"step": 10, "loss": 1.0}, 5)
