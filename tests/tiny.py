"""A tiny run: 50 images of 4 x 4 and six iterations of a VSC."""

import jax
import numpy as np
from flax import nnx

from vsc_jax.config import CheckpointConfig, Config, EvaluateConfig, ModelConfig, TrainConfig
from vsc_jax.data import Dataset, Split

CONFIG = Config(
    name="tiny",
    model=ModelConfig(latents=3, hidden=(8,), prior="pseudo", pseudo_inputs=4, noise=0.0, usage_weight=0.0),
    train=TrainConfig(steps=6, batch_size=16, log_every=3),
    checkpoint=CheckpointConfig(every=3),
    evaluate=EvaluateConfig(samples=4, batch_size=20, figures=False),
)


def noise():
    """Its data."""
    grey = np.random.default_rng(0).integers(0, 256, (70, 4, 4), np.uint8)
    return Dataset("tiny", Split(grey[:50]), Split(grey[50:]), description="Noise")


def contents(folder):
    """What the files in a folder hold, but for locks."""
    files = (path for path in folder.rglob("[!.]*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def identical(one, other):
    """The models are the same, to the last bit."""
    jax.tree.map(np.testing.assert_array_equal, nnx.state(one), nnx.state(other))
