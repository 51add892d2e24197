"""A saved model, made without training, for the commands that read one."""

from pathlib import Path

import jax
import pytest

from vsc_jax import data
from vsc_jax.config import Config, DataConfig, EvaluateConfig, ModelConfig, TrainConfig
from vsc_jax.models import build
from vsc_jax.run import Run, describe, save


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture(scope="session")
def make_run():
    """Makes an untrained model of faces."""

    def make(kind: str) -> Run:
        config = Config(
            data=DataConfig(train_examples=60, test_examples=50),
            model=ModelConfig(kind=kind, latents=2, hidden=(4,), pseudo_inputs=2),
            train=TrainConfig(steps=1000),
            evaluate=EvaluateConfig(samples=2),
        )
        dataset = data.load(config.data)
        model = build(config.model, dataset.example_shape, jax.random.key(0), examples=dataset.train.x)
        return Run(model, {"elbo": 0.0}, [], None, config, describe(dataset))

    return make


@pytest.fixture
def saved(make_run, tmp_path: Path) -> Path:
    """A VAE, saved, without results worth keeping."""
    return save(make_run("vae"), tmp_path / "saved")
