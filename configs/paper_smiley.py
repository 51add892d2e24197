"""Smiley as Tonolini, Jensen and Murray-Smith trained it (UAI 2019), for comparison with smiley_vsc.

The paper's recipe with network, rates and warm-up of the authors' released notebook. As in paper_fashion,
pixels are grey values under a Bernoulli likelihood; the notebook scales them to unit length under a Gaussian.
"""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="paper_smiley",
    data=DataConfig(name="smiley"),
    model=ModelConfig(
        kind="vsc",
        latents=60,
        hidden=(3000,),
        prior="pseudo",
        pseudo_inputs=10,
        usage_weight=0.0,
        noise=0.0,
        selection="paper",
        gate="sigmoid",
        initial_gate_logit=0.0,
        alpha=0.003,
    ),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.1, begin=0.3, until=0.31),
        kl=Ramp(1.0, 1.0),
        warm_up=Ramp(0.0, 1.0, begin=0.375, until=0.4),
        sharpness=Ramp(10.0, 10.0),
        sparsity=Ramp(1.0, 1.0),
        prior_blend=Ramp(0.0, 0.0),
    ),
    train=TrainConfig(steps=200_000, batch_size=500, learning_rate=5e-4),
)
