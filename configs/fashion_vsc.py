"""Variational Sparse Coding on Fashion-MNIST."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="fashion_vsc",
    data=DataConfig(name="fashion_mnist"),
    model=ModelConfig(pseudo_inputs=128, usage_weight=0.0),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.01, begin=0.5, until=1.0),
        sharpness=Ramp(1.5, 12.0, begin=0.0, until=1.0),
    ),
    train=TrainConfig(steps=32_000, batch_size=200, learning_rate=2e-3, weight_decay=0.1),
)
