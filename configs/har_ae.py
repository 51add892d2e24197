"""An autoencoder on the 561 features of UCI HAR: the reconstruction that no prior restrains."""

from vsc_jax.config import Config, DataConfig, ModelConfig, TrainConfig

config = Config(
    name="har_ae",
    data=DataConfig(name="uci_har"),
    model=ModelConfig(kind="ae", latents=60, hidden=(400,), likelihood="gaussian"),
    train=TrainConfig(steps=3000, batch_size=256, learning_rate=1e-3),
)
