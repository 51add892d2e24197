"""SynthSAEBench, small: ``python -m benchmarks.peers.synth``; needs sae-lens 6.43 or newer.

The model of SAELens's tutorial on it (Chanin 2026, arXiv 2602.14687): 1,024 features in 256 dimensions, each
on or off by itself with a probability that falls as a power of its rank, at most .4; values are 1 where on.
Codes have 512 latents, so that the rarer half of the features must be left out. Data, autoencoders, trainer
and measures are SAELens's own; every method trains on the same rows and is measured on the same others.

A run is a row of ``benchmarks/results/peers/synth.csv``; one that is there is not made again. On cores that
are shared with other work take ``OMP_NUM_THREADS=1``.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

import sae_lens
import torch
from sae_lens import synthetic

from benchmarks.peers.results import RESULTS, markdown, put, read, table
from vsc_jax.estimator import VariationalSparseCoding

LATENTS, ON, BATCH = 512, 10, 1024
TEST = 20_000
OURS = {"vsc": {"active": ON}, "vsc_not_told": {}}
SUITE = {
    "topk": (sae_lens.TopKTrainingSAEConfig, {"k": ON}),
    "batch_topk": (sae_lens.BatchTopKTrainingSAEConfig, {"k": ON}),
    "jumprelu": (
        sae_lens.JumpReLUTrainingSAEConfig,
        {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": ON},
    ),
    "matryoshka": (
        sae_lens.MatryoshkaBatchTopKTrainingSAEConfig,
        {"k": ON, "matryoshka_widths": [32, 128, LATENTS]},
    ),
}
KEY = ("method", "seed", "active", "rate", "samples")


def model() -> synthetic.SyntheticModel:
    """The small synthetic model; its dictionary is the same for every seed of the rows."""
    return synthetic.SyntheticModel(
        synthetic.SyntheticModelConfig(
            num_features=1024,
            hidden_dim=256,
            firing_probability=synthetic.ZipfianFiringProbabilityConfig(
                exponent=0.5, max_prob=0.4, min_prob=5e-4
            ),
            orthogonalization=synthetic.OrthogonalizationConfig(num_steps=100, lr=3e-4),
            seed=42,
        )
    )


class Rows:
    """Held-out feature activations in a fixed order, as SAELens's evaluation asks for them."""

    def __init__(self, activations: torch.Tensor):
        self.activations, self.given = activations, 0

    def sample(self, n: int) -> torch.Tensor:
        """The next ``n`` of them."""
        self.given += n
        return self.activations[self.given - n : self.given]


class Ours:
    """Our estimator as SAELens's evaluation asks for a code."""

    def __init__(self, estimator: VariationalSparseCoding):
        self.estimator, self.W_dec = estimator, torch.from_numpy(estimator.components_)

    def eval(self) -> None:
        """Nothing that differs in training."""

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Codes, 0 where a latent is off."""
        return torch.from_numpy(self.estimator.transform(x.numpy()))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Rows."""
        return torch.from_numpy(self.estimator.inverse_transform(codes.numpy()))


def shuffled(x: torch.Tensor, seed: int) -> Iterator[torch.Tensor]:
    """Batches of the rows, in a new order in each pass."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for batch in torch.randperm(len(x), generator=generator).split(BATCH)[: len(x) // BATCH]:
            yield x[batch]


def train(method: str, x: torch.Tensor, seed: int, rate: float, samples: int) -> Any:
    """A code of the rows: an autoencoder of SAELens, or ours."""
    if method in OURS:
        options: dict[str, Any] = dict(OURS[method])
        if "batch_size" in options:
            options["steps"] = samples // BATCH
        return Ours(VariationalSparseCoding(LATENTS, random_state=seed, **options).fit(x.numpy()))
    kind, options = SUITE[method]
    torch.manual_seed(seed)
    config = kind(d_in=x.shape[1], d_sae=LATENTS, **options)
    runner = synthetic.SyntheticSAERunnerConfig(
        synthetic_model="", sae=config, training_samples=samples, batch_size=BATCH, lr=rate,
        dead_feature_window=samples // BATCH // 10,  # iterations; of 10,000,000 rows it is about the default
        logger=sae_lens.LoggingConfig(log_to_wandb=False, eval_every_n_wandb_logs=2**31 - 1),
    )  # fmt: skip
    sae = sae_lens.registry.get_sae_training_class(config.architecture())[0](config)
    trainer = sae_lens.SAETrainer(
        cfg=runner.to_sae_trainer_config(), sae=sae, data_provider=shuffled(x, seed), save_checkpoint_fn=None
    )
    return trainer.fit()


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=[*OURS, *SUITE], default=[*OURS, *SUITE])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4], help="of the suite's")
    parser.add_argument("--samples", type=int, default=2_500_000, help="rows that a training sees")
    parser.add_argument("--rows", type=int, default=100_000, help="different ones among them")
    parser.add_argument("--again", action="store_true", help="what was measured before, too")
    arguments = parser.parse_args()
    truth = model()
    path = RESULTS / "synth.csv"
    done = set() if arguments.again else {tuple(row[name] for name in KEY) for row in read(path)}
    for seed in arguments.seeds:
        torch.manual_seed(seed)
        test = truth.activation_generator.sample(TEST)
        x = torch.cat([truth.sample(BATCH) for _ in range(arguments.rows // BATCH)])
        for method, rate in itertools.product(arguments.methods, arguments.rates):
            seen = arguments.samples if method in SUITE else 2000 * 128  # the defaults
            key = (method, str(seed), str(ON), f"{rate:g}" if method in SUITE else "", str(seen))
            if key in done:
                continue
            done.add(key)
            start = time.monotonic()
            sae = train(method, x, seed, rate, arguments.samples)
            seconds = time.monotonic() - start
            with torch.no_grad():
                found = synthetic.eval_sae_on_synthetic_data(sae, truth.feature_dict, Rows(test), TEST, 1000)
            measures = {
                "mcc": found.mcc,
                "f1": found.classification.f1_score,
                "precision": found.classification.precision,
                "recall": found.classification.recall,
                "ev": found.explained_variance,
                "on": found.sae_l0,
                "true_on": found.true_l0,
                "unique": found.uniqueness,
                "dead": found.dead_latents / LATENTS,
                "norm": found.shrinkage,
                "seconds": seconds,
            }
            row = dict(zip(KEY, key, strict=True)) | {n: f"{float(v):.5g}" for n, v in measures.items()}
            print(row, flush=True)
            put(path, row, KEY)
    print(markdown(table(rows := read(path), list(rows[0])[len(KEY) :])))


if __name__ == "__main__":
    main()
