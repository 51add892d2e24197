"""The command line ``python -m vsc_jax.explore``."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import jax
import pytest

from vsc_jax import data, explore
from vsc_jax.config import Config, DataConfig, ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.models import build
from vsc_jax.pages.explorer.server import listen
from vsc_jax.run import Run, describe, save
from vsc_jax.training.run_folder import write_json


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A saved model of faces, untrained."""
    sizes = {"latents": 6, "hidden": (16,), "pseudo_inputs": 4}
    config = Config(data=DataConfig(train_examples=20, test_examples=20), model=ModelConfig(**sizes))
    dataset = data.load(config.data)
    model = build(config.model, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
    folder = save(Run(model, {}, [], None, config), tmp_path_factory.mktemp("saved") / "faces")
    write_json(folder / "data.json", describe(dataset))
    return folder


def test_it_serves_the_page_and_stops_when_interrupted(run):
    process = subprocess.Popen(
        [sys.executable, "-m", "vsc_jax.explore", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    line = process.stdout.readline()
    address = line.split()[0]
    assert line == f"{address} shows faces; Ctrl-C stops it\n"
    with urllib.request.urlopen(f"{address}api/model", timeout=60) as answer:
        assert b'"latents":6' in answer.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_a_mistake_is_named(run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="neither a run folder nor a saved model"):
        explore.main([str(tmp_path)])
    with listen(0) as taken, pytest.raises(UserError, match="--port: cannot listen on"):
        explore.main([str(run), "--port", str(taken.getsockname()[1])])
    with pytest.raises(UserError, match="--port: expected a number from 0 to 65535, got 70000"):
        explore.main([str(run), "--port", "70000"])
    monkeypatch.setattr(explore.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs starlette: pip install starlette uvicorn"):
        explore.main([str(run)])
