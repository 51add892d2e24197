"""An autoencoder on Smiley: the reconstruction that no prior restrains."""

from vsc_jax.config import Config, DataConfig, ModelConfig, TrainConfig

config = Config(
    name="smiley_ae",
    data=DataConfig(name="smiley"),
    model=ModelConfig(kind="ae", latents=60, hidden=(800,)),
    train=TrainConfig(steps=6000, batch_size=256, learning_rate=1e-3),
)
