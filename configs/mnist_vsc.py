"""Variational Sparse Coding on MNIST."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="mnist_vsc",
    data=DataConfig(name="mnist"),
    model=ModelConfig(pseudo_inputs=128, usage_weight=0.0),
    schedule=ScheduleConfig(sharpness=Ramp(1.5, 12.0, begin=0.0, until=1.0)),
    train=TrainConfig(steps=16_000, batch_size=200, learning_rate=2e-3),
)
