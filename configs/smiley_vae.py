"""A Gaussian variational autoencoder on Smiley: the dense baseline."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="smiley_vae",
    data=DataConfig(name="smiley"),
    model=ModelConfig(kind="vae", latents=60, hidden=(800,), beta=1.0),
    schedule=ScheduleConfig(kl=Ramp(0.0, 1.0, begin=0.0, until=0.25)),
    train=TrainConfig(steps=6000, batch_size=256, learning_rate=2e-3),
)
