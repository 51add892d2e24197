"""UCI HAR by the recipe of Tonolini, Jensen and Murray-Smith (UAI 2019), for comparison with har_vsc.

Theirs are the 561 features, the sigmoid gates of slope 10, the classifier's sharpened selection and the
slab's warm-up late in the run. For this set we know of no published width of the network, latents,
pseudo-inputs, alpha, iterations, rates or scaling: all these are paper_fashion's, the features are left as
the archive has them, and the Gaussian likelihood with one learned variance a feature is our choice.
"""

from vsc_jax.config import Config, DataConfig, ModelConfig, Ramp, ScheduleConfig, TrainConfig

config = Config(
    name="paper_har",
    data=DataConfig(name="uci_har"),
    model=ModelConfig(
        kind="vsc",
        latents=60,
        hidden=(3000,),
        likelihood="gaussian",
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
