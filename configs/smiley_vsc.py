"""Variational Sparse Coding on Smiley."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="smiley_vsc",
    data=DataConfig(name="smiley"),
    model=ModelConfig(hidden=(800,), pseudo_inputs=64, alpha=0.15, sparsity_weight=10.0),
    schedule=ScheduleConfig(
        kl=Ramp(0.0, 1.0, begin=0.0, until=0.1),
        slab_blend=Ramp(1.0, 0.0, begin=0.7, until=0.9),
    ),
    train=TrainConfig(learning_rate=2e-3),
)
