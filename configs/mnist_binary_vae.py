"""A Gaussian VAE by the recipe of published likelihoods on binarized MNIST: the control of mnist_binary_vsc.

784-300-300-40 with gated layers, as in Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018, but for the
learning rate, which falls to a hundredth where they choose the best weights. Fashion-MNIST:
``--data.name fashion_mnist``.
"""

from vsc_jax.config import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    Ramp,
    ScheduleConfig,
    TrainConfig,
)

config = Config(
    name="mnist_binary_vae",
    data=DataConfig(name="mnist", binarize="literature"),
    model=ModelConfig(kind="vae", network="gated", latents=40, hidden=(300, 300)),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.01, begin=0.7, until=1.0),
        kl=Ramp(0.0, 1.0, begin=0.0, until=0.1),
    ),
    train=TrainConfig(
        steps=500_000, batch_size=100, learning_rate=5e-4, normalize_gradients=True, log_every=1000
    ),
    checkpoint=CheckpointConfig(every=20_000),
    evaluate=EvaluateConfig(samples=5000),
)
