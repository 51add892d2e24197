"""Training: ``loop.py`` on the host, ``step.py`` compiled; schedules, batches, checkpoints, run folder."""

from vsc_jax.training.loop import Trained, TrainingError, check, initial_model, train, train_members
from vsc_jax.training.schedules import Hyperparameters, hyperparameters
from vsc_jax.training.step import Keys, TrainState, initial_state, keys_of, run_chunk, train_step

__all__ = [
    "Hyperparameters",
    "Keys",
    "TrainState",
    "Trained",
    "TrainingError",
    "check",
    "hyperparameters",
    "initial_model",
    "initial_state",
    "keys_of",
    "run_chunk",
    "train",
    "train_members",
    "train_step",
]
