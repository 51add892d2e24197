"""Trackers get every number of a run; they write nothing before there is something to tell."""

import sys
from types import SimpleNamespace

import pytest
from tensorboardX.proto.event_pb2 import Event

from vsc_jax.config import Config, TrainConfig, to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.contrib.tracking import scalars, tracker

CONFIG = Config(train=TrainConfig(steps=20))
ROWS = [{"step": step, "loss": step / 4, "schedule": {"kl": 0.5}} for step in (10, 20)]
RESULTS = {"elbo": -3.0, "data": "Noise", "test_examples": 20}


def events(folder):
    """What an event file of TensorBoard holds: length, checksum, event, checksum, and so on."""
    [path] = folder.glob("events.*")
    content, start = path.read_bytes(), 0
    while start < len(content):
        length = int.from_bytes(content[start : start + 8], "little")
        event = Event()
        event.ParseFromString(content[start + 12 : start + 12 + length])
        yield event
        start += 16 + length


def test_the_numbers_of_a_row_are_found_in_its_sections():
    assert scalars(ROWS[0]) == {"step": 10, "loss": 2.5, "schedule/kl": 0.5}
    assert scalars(RESULTS) == {"elbo": -3.0, "test_examples": 20}


def test_tensorboard_gets_training_and_test_metrics(tmp_path):
    told = tracker("tensorboard", CONFIG, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for row in ROWS:
        told.on_row(row)
    told.on_results(RESULTS)
    told.close()
    written = {
        (value.tag, event.step): value.simple_value
        for event in events(tmp_path / "tensorboard")
        for value in event.summary.value
    }
    assert written == {
        ("train/loss", 10): 2.5, ("train/loss", 20): 5.0,
        ("train/schedule/kl", 10): 0.5, ("train/schedule/kl", 20): 0.5,
        ("test/elbo", 20): -3.0, ("test/test_examples", 20): 20.0,
    }  # fmt: skip


def test_a_resumed_run_hides_what_was_written_beyond_its_checkpoint(tmp_path):
    told = tracker("tensorboard", CONFIG, tmp_path)
    told.on_row(ROWS[1])
    told.close()
    # TensorBoard drops everything of the same folder from the step of this mark on.
    assert [event.step for event in events(tmp_path / "tensorboard") if event.HasField("session_log")] == [20]


def test_weights_and_biases_gets_them_with_the_configuration(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        log=lambda values, step: calls.append(("log", values, step)),
        summary={},
        finish=lambda: calls.append("finish"),
    )
    fake = SimpleNamespace(init=lambda **arguments: calls.append(arguments) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    told = tracker("wandb", CONFIG, tmp_path / "run")
    assert calls == []
    told.on_row(ROWS[0])
    told.on_results(RESULTS)
    told.close()
    begin = {"project": "vsc_jax", "name": "run", "dir": str(tmp_path / "run"), "config": to_dict(CONFIG)}
    assert calls == [begin, ("log", scalars(ROWS[0]), 10), "finish"]
    assert run.summary == {"test/elbo": -3.0, "test/test_examples": 20}


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_missing_extra_is_named_before_anything_is_written(name, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as caught:
        tracker(name, CONFIG, tmp_path)
    assert str(caught.value) == f"--track {name} needs {module}: pip install {module}"
    assert list(tmp_path.iterdir()) == []
