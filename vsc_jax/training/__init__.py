"""Training: schedules, state, compiled stretches of iterations, checkpoints, the run log."""

from vsc_jax.training.loop import Trained, TrainingError, check, initial_model, train
from vsc_jax.training.schedules import Hyperparameters, hyperparameters
from vsc_jax.training.step import Keys, TrainState, initial_state, keys_of, run_stretch, train_step

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
    "run_stretch",
    "train",
    "train_step",
]
