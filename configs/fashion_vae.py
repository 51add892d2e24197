"""A Gaussian variational autoencoder on Fashion-MNIST: the dense baseline."""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="fashion_vae",
    data=DataConfig(name="fashion_mnist"),
    model=ModelConfig(kind="vae", latents=60, hidden=(400,), beta=1.0),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.01, begin=0.5, until=1.0),
        kl=Ramp(0.0, 1.0, begin=0.0, until=0.25),
    ),
    train=TrainConfig(steps=32_000, batch_size=200, learning_rate=2e-3, weight_decay=0.1),
)
