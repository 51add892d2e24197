"""A loss that is not finite: the run stops, names iteration and term, and leaves it to be run again."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from vsc_jax.train import main

from vsc_jax.config.errors import UserError
from vsc_jax.data import Split
from vsc_jax.training import TrainingError, train
from vsc_jax.training.replay import not_finite


@pytest.fixture(scope="module")
def sick(tiny, tmp_path_factory, dataset):
    """A folder of a run that went wrong after iteration 10, the error, and the files before it did."""
    workdir = tmp_path_factory.mktemp("runs") / "sick"
    workdir.mkdir()
    config = tiny("ae", model={"likelihood": "gaussian"}, train={"steps": 20, "learning_rate": 1e-3})
    vectors = np.full((64, 3), 0.5, np.float32)
    train(config, dataclasses.replace(dataset, train=Split(vectors), test=Split(vectors)), workdir)
    shutil.rmtree(workdir / "checkpoints" / "20")
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    # Four batches are an epoch, and in one of each four is an example whose square is beyond float32.
    poisoned = vectors.copy()
    poisoned[41] = 1e30
    sick = dataclasses.replace(dataset, train=Split(poisoned), test=Split(vectors))
    with pytest.raises(TrainingError) as caught:
        train(config, sick, workdir)
    return workdir, str(caught.value), before


@pytest.fixture(scope="module")
def replay_file(sick):
    """The arrays and the words of the replay file."""
    path = sick[0] / "replay.safetensors"
    with safe_open(path, "numpy") as file:
        return load_file(path), file.metadata()


def replayed(path, leaves, metadata, capsys):
    save_file(leaves, path, metadata)
    main(["--replay", str(path)])
    return capsys.readouterr().out.splitlines()


def test_the_iteration_and_the_term_are_named_and_what_was_saved_stays(sick, replay_file):
    workdir, message, before = sick
    step = int(replay_file[0]["step"])
    assert 10 <= step < 18
    assert message == (
        f"reconstruction is -inf in iteration {step}; the checkpoint of iteration 10 is kept."
        f" python -m vsc_jax.train --replay {workdir / 'replay.safetensors'} shows where it comes from;"
        " a smaller train.learning_rate may help"
    )
    rows = [json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert rows == [5, *range(10, step + 1, 5)]
    for path in before:
        assert path.name == "metrics.jsonl" or path.read_bytes() == before[path]


def test_the_file_is_data_and_holds_the_state_and_the_batch(replay_file):
    leaves, metadata = replay_file
    assert leaves["batch"].shape == (16, 3)
    assert leaves["batch"].max() == np.float32(1e30)
    assert all(np.isfinite(leaf).all() for leaf in leaves.values())
    assert json.loads(metadata["run"])["config"]["model"]["kind"] == "ae"


def test_the_replay_gives_the_same_metrics(sick, replay_file, capsys):
    main(["--replay", str(sick[0] / "replay.safetensors")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"iteration {int(replay_file[0]['step'])}: ")
    assert "reconstruction -inf" in lines[0]
    assert lines[1].startswith("jax_debug_nans: ")


def test_a_nan_is_traced_to_our_line(replay_file, capsys, tmp_path):
    leaves, metadata = replay_file
    kernel = leaves["params/encoder/layers/0/kernel"].copy()
    kernel[0, 0] = np.nan
    changed = {**leaves, "params/encoder/layers/0/kernel": kernel}
    lines = replayed(tmp_path / "nan.safetensors", changed, metadata, capsys)
    assert "loss nan" in lines[0]
    assert lines[1].startswith("jax_debug_nans: invalid value (nan) encountered in")
    assert lines[2].startswith("  vsc_jax/")
    assert not jax.config.jax_debug_nans


def test_a_healthy_iteration_is_told(replay_file, capsys, tmp_path):
    leaves, metadata = replay_file
    healthy = {**leaves, "batch": np.full_like(leaves["batch"], 0.5)}
    [line] = replayed(tmp_path / "healthy.safetensors", healthy, metadata, capsys)
    assert line.endswith("every metric is finite here")


def test_numbers_of_another_type_are_refused(replay_file, tmp_path):
    leaves, metadata = replay_file
    save_file({**leaves, "step": leaves["step"].astype(np.float32)}, tmp_path / "x.safetensors", metadata)
    with pytest.raises(UserError, match="step: expected dtype int32, found float32"):
        main(["--replay", str(tmp_path / "x.safetensors")])


@pytest.mark.parametrize(
    ("leaf", "words", "message"),
    [
        ("batch", {}, "not a replay file"),
        ("step", {}, "step: expected shape"),
        (None, {"run": "{"}, "not a replay file"),
        (None, {"run": "[]"}, "not a replay file"),
        (None, {"run": "{}"}, "not a replay file"),
        (None, {"run": '{"config": {"model": {"kind": "x"}}, "train_examples": 9}'}, "not a replay file"),
        (None, {"run": '{"config": {}, "train_examples": -3, "scaling": null}'}, "not a replay file"),
    ],
)
def test_a_file_that_is_no_replay_is_one_line(replay_file, tmp_path, leaf, words, message):
    leaves, metadata = replay_file
    left = {name: array for name, array in leaves.items() if name != leaf}
    save_file(left, tmp_path / "bad.safetensors", {**metadata, **words})
    (tmp_path / "text").write_text("no tensors")
    for name, expected in (("bad.safetensors", message), ("text", "not a"), ("missing", "not a")):
        with pytest.raises(UserError, match=f"{name}: {expected}") as caught:
            main(["--replay", str(tmp_path / name)])
        assert len(str(caught.value).splitlines()) == 1


def test_causes_come_before_effects():
    nan, inf = float("nan"), float("inf")
    assert not_finite({"loss": 1.0, "kl": 2.0}) == {}
    assert list(not_finite({"loss": nan, "elbo": nan, "kl": inf})) == ["kl", "elbo", "loss"]
    assert not_finite({"loss": 1.0, "gradient_norm": inf}) == {"gradient_norm": inf}
