"""Variational Sparse Coding on the 561 features of UCI HAR."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="har_vsc",
    data=DataConfig(name="uci_har"),
    model=ModelConfig(
        likelihood="gaussian", pseudo_inputs=128, alpha=0.3, usage_weight=0.0, initial_gate_logit=3.0
    ),
    schedule=ScheduleConfig(sharpness=Ramp(1.5, 12.0, begin=0.0, until=1.0)),
    train=TrainConfig(steps=3000),
)
