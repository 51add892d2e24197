"""Trackers get every number of a run; they write nothing before there is something to tell."""

import sys
from types import SimpleNamespace

import pytest
from tensorboardX.proto.event_pb2 import Event

from vsc_jax.config import Config, TrainConfig, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.contrib.tracking import Tracker, scalars

CONFIG = Config(train=TrainConfig(steps=20))
ROWS = [{"step": step, "loss": step / 4, "schedule": {"kl": 0.5}} for step in (10, 20)]
RESULTS = {"elbo": -3.0, "data": "Noise", "test_examples": 20}


def events(folder):
    """What an event file of TensorBoard holds: length, checksum, event, checksum, and so on."""
    [path] = folder.glob("events.*")
    content, start = path.read_bytes(), 0
    while start < len(content):
        length = int.from_bytes(content[start : start + 8], "little")
        yield Event.FromString(content[start + 12 : start + 12 + length])
        start += 16 + length


def test_tensorboard_gets_training_and_test_metrics(tmp_path):
    tracking = Tracker("tensorboard", CONFIG, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for row in ROWS:
        tracking.on_row(row)
    tracking.on_results(RESULTS)
    tracking.close()
    read = list(events(tmp_path / "tensorboard"))
    assert {(v.tag, event.step): v.simple_value for event in read for v in event.summary.value} == {
        ("train/loss", 10): 2.5, ("train/loss", 20): 5.0,
        ("train/schedule/kl", 10): 0.5, ("train/schedule/kl", 20): 0.5,
        ("test/elbo", 20): -3.0, ("test/test_examples", 20): 20.0,
    }  # fmt: skip
    # TensorBoard drops everything of the same folder from the step of this mark on: what a resumed run
    # had written beyond its checkpoint.
    assert [event.step for event in read if event.HasField("session_log")] == [10]


def test_weights_and_biases_gets_them_with_the_configuration(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        log=lambda values, step: calls.append(("log", values, step)),
        summary={},
        finish=lambda: calls.append("finish"),
    )
    fake = SimpleNamespace(init=lambda **arguments: calls.append(arguments) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tracking = Tracker("wandb", CONFIG, tmp_path / "run")
    assert calls == []
    tracking.on_row(ROWS[0])
    tracking.on_results(RESULTS)
    tracking.close()
    begin = {"project": "vsc_jax", "name": "run", "dir": str(tmp_path / "run"), "config": to_dict(CONFIG)}
    assert calls == [begin, ("log", {"step": 10, "loss": 2.5, "schedule/kl": 0.5}, 10), "finish"]
    assert run.summary == {"test/elbo": -3.0, "test/test_examples": 20}
    assert scalars(RESULTS) == {"elbo": -3.0, "test_examples": 20}


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_extra_is_named_before_anything_is_written(name, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"^--track {name} needs {module}: pip install {module}$"):
        Tracker(name, CONFIG, tmp_path)
    assert list(tmp_path.iterdir()) == []
