"""Variational Sparse Coding on MNIST."""

from vsc_jax.config import Config, DataConfig, ModelConfig, TrainConfig

config = Config(
    name="mnist_vsc",
    data=DataConfig(name="mnist"),
    model=ModelConfig(
        kind="vsc",
        latents=60,
        hidden=(400,),
        pseudo_inputs=32,
        alpha=0.1,
        prior_rate=0.1,
    ),
    train=TrainConfig(steps=6000, batch_size=500, learning_rate=1e-3),
)
