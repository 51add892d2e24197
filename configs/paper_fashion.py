"""Fashion-MNIST as Tonolini, Jensen and Murray-Smith trained it (UAI 2019), for comparison with fashion_vsc.

The paper's recipe: sigmoid gates of slope 10, the classifier's sharpened selection, an unpaid sparsity term
and the slab's warm-up late in the run. Network, rates and warm-up are those of the authors' released
notebook. Two things differ there: pixels scaled to unit length under a Gaussian likelihood; here they are
grey values under a Bernoulli one, so that the numbers stand beside those of the other presets.
"""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="paper_fashion",
    data=DataConfig(name="fashion_mnist"),
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
        alpha=0.01,
    ),
    schedule=ScheduleConfig(
        learning_rate=Ramp(1.0, 0.1, begin=0.45, until=0.46),
        kl=Ramp(1.0, 1.0),
        warm_up=Ramp(0.0, 1.0, begin=0.45, until=0.5),
        sharpness=Ramp(10.0, 10.0),
        sparsity=Ramp(1.0, 1.0),
        prior_blend=Ramp(0.0, 0.0),
    ),
    train=TrainConfig(steps=70_000, batch_size=500, learning_rate=5e-4),
)
