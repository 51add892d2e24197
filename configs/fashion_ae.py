"""An autoencoder on Fashion-MNIST: the reconstruction that no prior restrains."""

from vsc_jax.config import Config, DataConfig, ModelConfig, TrainConfig

config = Config(
    name="fashion_ae",
    data=DataConfig(name="fashion_mnist"),
    model=ModelConfig(kind="ae", latents=60, hidden=(400,)),
    train=TrainConfig(steps=32_000, batch_size=200, learning_rate=1e-3),
)
