"""A tiny run: 50 images of 4 x 4, 23 iterations of 16 examples, a row every 5, a checkpoint every 10."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from vsc_jax.config import CheckpointConfig, Config, ModelConfig, TrainConfig
from vsc_jax.data import Dataset, Split
from vsc_jax.training import Trained, TrainState, initial_model, initial_state, train
from vsc_jax.training.checkpoints import Checkpoints

_CONFIG = Config(
    name="tiny",
    model=ModelConfig(latents=3, hidden=(8,), prior="pseudo", pseudo_inputs=4, noise=0.0, usage_weight=0.0),
    train=TrainConfig(steps=23, batch_size=16, log_every=5, learning_rate=0.01),
    checkpoint=CheckpointConfig(every=10),
)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Noise that is grey on the left and black on the right."""
    grey = np.random.default_rng(0).integers(0, 256, (70, 4, 4), np.uint8)
    grey[:, :, 2:] //= 8
    return Dataset("tiny", Split(grey[:50]), Split(grey[50:]), description="Noise")


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Config]:
    """The tiny run's configuration, a VAE if not said otherwise; sections given as dicts are changed."""

    def make(kind: str = "vae", **sections: Any) -> Config:
        config = dataclasses.replace(_CONFIG, model=dataclasses.replace(_CONFIG.model, kind=kind))
        for name, value in sections.items():
            if isinstance(value, dict):
                value = dataclasses.replace(getattr(config, name), **value)
            config = dataclasses.replace(config, **{name: value})
        return config

    return make


class Finished:
    """A run in a folder that never stopped, and the pieces that another run is compared with."""

    def __init__(self, config: Config, dataset: Dataset, workdir: Path):
        workdir.mkdir()
        self.config, self.dataset, self.workdir = config, dataset, workdir
        self.trained = train(config, dataset, workdir)
        self.state = self.newest(workdir)

    def newest(self, workdir: Path) -> TrainState:
        template = initial_state(nnx.split(initial_model(self.config, self.dataset))[1])
        with Checkpoints(workdir / "checkpoints") as checkpoints:
            return checkpoints.restore(template)

    def assert_same(self, workdir: Path | None, trained: Trained) -> None:
        """History and model, and in a run folder the log and the newest checkpoint, to the last bit."""
        assert trained.history == self.trained.history
        states = [(nnx.state(trained.model), nnx.state(self.trained.model))]
        if workdir is not None:
            assert (workdir / "metrics.jsonl").read_bytes() == (self.workdir / "metrics.jsonl").read_bytes()
            states.append((self.newest(workdir), self.state))
        for one, other in states:
            assert jax.tree.structure(one) == jax.tree.structure(other)
            jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture(scope="session")
def finish(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], Finished]:
    """Trains a configuration in a folder of its own."""
    return lambda config: Finished(config, dataset, tmp_path_factory.mktemp("runs") / "finished")


@pytest.fixture(scope="session")
def finished(tiny: Callable[..., Config], finish: Callable[[Config], Finished]) -> Finished:
    """The tiny VSC's run that never stopped."""
    return finish(tiny("vsc"))


@pytest.fixture(scope="session")
def stopped(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, torn off after the row of iteration 15, and so with a checkpoint at 10."""
    workdir = tmp_path_factory.mktemp("runs") / "stopped"
    workdir.mkdir()

    def on_row(row: dict[str, Any]) -> None:
        if row["step"] == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(finished.config, finished.dataset, workdir, on_row)
    return workdir


@pytest.fixture
def workdir(stopped: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run's folder."""
    return Path(shutil.copytree(stopped, tmp_path / "run"))
