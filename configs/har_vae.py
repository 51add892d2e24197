"""A Gaussian variational autoencoder on the 561 features of UCI HAR: the dense baseline."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="har_vae",
    data=DataConfig(name="uci_har"),
    model=ModelConfig(kind="vae", latents=60, hidden=(400,), likelihood="gaussian", beta=1.0),
    schedule=ScheduleConfig(kl=Ramp(0.0, 1.0, begin=0.0, until=0.25)),
    train=TrainConfig(steps=3000, batch_size=256, learning_rate=1e-3),
)
