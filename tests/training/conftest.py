"""A tiny run: 50 images of 4 x 4, 23 iterations of 16 examples, a row every 5, a checkpoint every 10."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vsc_jax.config import CheckpointConfig, Config, ModelConfig, TrainConfig
from vsc_jax.data import Dataset, Split

_CONFIG = Config(
    name="tiny",
    model=ModelConfig(latents=3, hidden=(8,), pseudo_inputs=4),
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
