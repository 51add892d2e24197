"""Variational Sparse Coding by the recipe of published likelihoods on binarized MNIST.

Networks, data and optimizer are those of mnist_binary_vae; prior and gates those of mnist_vsc, with half of
the latents on. Fashion-MNIST: ``--data.name fashion_mnist``.
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
    name="mnist_binary_vsc",
    data=DataConfig(name="mnist", binarize="literature"),
    model=ModelConfig(
        network="gated",
        latents=40,
        hidden=(300, 300),
        pseudo_inputs=500,
        alpha=0.5,
        usage_weight=0.0,
    ),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.01, begin=0.7, until=1.0),
        kl=Ramp(0.0, 1.0, begin=0.0, until=0.1),
        sharpness=Ramp(1.5, 12.0, begin=0.0, until=1.0),
    ),
    train=TrainConfig(
        steps=500_000, batch_size=100, learning_rate=5e-4, normalize_gradients=True, log_every=1000
    ),
    checkpoint=CheckpointConfig(every=20_000),
    evaluate=EvaluateConfig(samples=5000),
)
