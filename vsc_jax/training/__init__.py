"""Training: schedules, state, compiled stretches of iterations, checkpoints, the run log."""

from vsc_jax.training.loop import Trained, TrainingError, check, initial_model, train
from vsc_jax.training.schedules import Hyperparameters, hyperparameters
from vsc_jax.training.step import TrainState, initial_state, make_chunk, train_step

__all__ = [
    "Hyperparameters",
    "TrainState",
    "Trained",
    "TrainingError",
    "check",
    "hyperparameters",
    "initial_model",
    "initial_state",
    "make_chunk",
    "train",
    "train_step",
]
