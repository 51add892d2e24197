"""The collapsing recipe on MNIST, kept to show why it collapses; mnist_vsc is the repaired one.

Its convolution and two latents, gates drawn without a gradient, and a slab that is paid for even where the
gate is closed: every image ends with the same gates, and the decoder draws the average digit.
"""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="seed_vsc",
    data=DataConfig(name="mnist"),
    model=ModelConfig(
        kind="vsc",
        latents=2,
        network="conv",
        prior="fixed",
        gate="bernoulli",
        initial_gate_logit=0.0,
        weigh_slab_kl=False,
        alpha=0.01,
        usage_weight=0.0,
        noise=0.0,
    ),
    schedule=ScheduleConfig(kl=Ramp(1.0, 1.0)),
    train=TrainConfig(steps=6000, batch_size=256, learning_rate=1e-3),
)
