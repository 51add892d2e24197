"""The studies: which settings are trained to fill which table of docs/results.md."""

from dataclasses import dataclass, field
from typing import Any

METRICS = (
    "elbo",
    "iwae",
    "reconstruction",
    "kl",
    "selection_kl",
    "active_per_image",
    "used_latents",
    "undecided_gates",
    "gamma_std",
    "mse_sample",
    "probe_accuracy",
    "attributes_found",
    "feature_ceiling_share",
)


@dataclass(frozen=True)
class Setting:
    """One row of a study: a preset and what is changed in it."""

    label: str
    preset: str
    overrides: dict[str, Any] = field(default_factory=dict)


_PLAIN = {"evaluate.figures": False, "evaluate.samples": 20}
_WHOLE = {"evaluate.probe_examples": 60_000, "train.precision": "bfloat16"}
_SLOWER = {"train.learning_rate": 1e-3}  # half of the presets' rate
_QUARTER = {  # too short to over-fit
    "train.steps": 4000,
    "train.weight_decay": 0.0,
    "train.precision": "bfloat16",
    "schedule.learning_rate.begin": 0.7,
    "schedule.learning_rate.end": 0.1,
}


def _vsc(latents: int, alpha: float, **overrides: Any) -> dict[str, Any]:
    return {
        "model.latents": latents,
        "model.alpha": alpha,
        **_PLAIN,
        **overrides,
    }


def _collapse() -> list[Setting]:
    """Short runs where a VSC may die, with and without the term on latents that are always on."""
    short = {"train.steps": 1000, "evaluate.samples": 10, **_SLOWER}
    return [
        Setting(
            f"J{latents}-alpha{alpha}{'-usage' if usage else ''}",
            "mnist_vsc",
            {**_vsc(latents, alpha), **short, "model.usage_weight": usage},
        )
        for usage in (0.0, 10.0)
        for latents in (2, 8, 60, 200)
        for alpha in (0.003, 0.01, 0.1, 0.5)
    ]


# Few latents are no place for a sparse code: alpha follows J.
_ALPHA = {
    "mnist": {2: 0.9, 8: 0.5, 24: 0.3, 60: 0.15, 200: 0.1},
    "fashion": {2: 0.9, 8: 0.5, 24: 0.3, 60: 0.15, 200: 0.05},
}
# With two of them a VSC begins as the VAE that it will be but for its prior: open gates, a standard prior.
_AS_A_VAE_FIRST = {
    "model.initial_gate_logit": 4.0,
    "schedule.slab_blend.start": 1.0,
    "schedule.slab_blend.begin": 0.3,
    "schedule.slab_blend.until": 0.6,
}


def _against_vae(data: str, **budget: Any) -> list[Setting]:
    """VAE and VSC over J: the same network, the same budget."""
    settings = []
    for latents, alpha in _ALPHA[data].items():
        start = _AS_A_VAE_FIRST if latents == 2 else {}
        settings += [
            Setting(f"vae-J{latents}", f"{data}_vae", {"model.latents": latents, **_PLAIN, **budget}),
            Setting(f"vsc-J{latents}", f"{data}_vsc", _vsc(latents, alpha, **budget, **start)),
        ]
    return settings


def _binarised(data: str, steps: int, alpha: float) -> list[Setting]:
    """Pixels drawn anew in every batch; two hidden layers of 300, as in the VampPrior's comparison."""
    shared = {
        "train.steps": steps,
        "train.precision": "bfloat16",
        "schedule.learning_rate.begin": 0.5,
        "schedule.learning_rate.end": 0.01,
        "data.binarize": "dynamic",
        "model.hidden": [300, 300],
        "model.latents": 40,
        "evaluate.samples": 5000,
        "evaluate.figures": False,
    }
    return [
        Setting("vae", f"{data}_vae", shared),
        Setting("vsc", f"{data}_vsc", {**shared, "model.alpha": alpha}),
    ]


def _reconstruction() -> list[Setting]:
    """Fashion-MNIST: how sharp a sample's reconstruction is at 10 % of the latents or fewer (KL weight 1)."""
    return [
        Setting(f"vsc-J{latents}", "fashion_vsc", _vsc(latents, alpha, **_QUARTER))
        for latents, alpha in ((64, 0.08), (256, 0.05))
    ]


def _smiley() -> list[Setting]:
    """Smiley over J, with nine latents on as there are features in a face; a VAE at the J of the default."""
    return [Setting("vae-J60", "smiley_vae", {"model.latents": 60, **_PLAIN})] + [
        Setting(f"vsc-J{latents}", "smiley_vsc", _vsc(latents, round(9 / latents, 3)))
        for latents in (18, 40, 50, 60, 200)
    ]


def _dense(preset: str, latents: int, **budget: Any) -> list[Setting]:
    """Dense models at their best: autoencoder, VAE, beta-VAE over beta, beta-TCVAE (beta - 1 on its term)."""
    shared = {"model.latents": latents, **_PLAIN, **budget}
    return [
        Setting("ae", preset.replace("vae", "ae"), shared),
        *(
            Setting(f"vae-beta{beta}", preset, {**shared, "model.beta": beta})
            for beta in (0.5, 1.0, 2.0, 4.0)
        ),
        *(
            Setting(f"tcvae-beta{beta}", preset, {**shared, "model.tc_weight": beta - 1})
            for beta in (2.0, 4.0)
        ),
    ]


def _seed() -> list[Setting]:
    """The report this project grew out of: its convolution, J = 2, 25 epochs."""
    conv = {
        "model.network": "conv",
        "model.latents": 2,
        "train.batch_size": 256,
        "train.steps": 25 * 60_000 // 256,
        **_PLAIN,
    }
    return [
        Setting("collapsed", "seed_vsc", {"train.steps": 25 * 60_000 // 256, **_PLAIN}),
        Setting("ae", "mnist_ae", conv),
        Setting("vae", "mnist_vae", conv),
        Setting("vsc", "mnist_vsc", {**conv, "model.alpha": 0.5}),
        Setting("vsc_wu", "mnist_vsc_wu", {**conv, "model.alpha": 0.5}),
    ]


STUDIES: dict[str, list[Setting]] = {
    "collapse": _collapse(),
    "mnist": _against_vae("mnist", **_WHOLE),
    "fashion": _against_vae("fashion", **_WHOLE),
    "mnist_short": _against_vae("mnist", **_QUARTER),
    "fashion_short": _against_vae("fashion", **_QUARTER),
    "mnist_binary": _binarised("mnist", 100_000, alpha=0.5),
    "fashion_binary": _binarised("fashion", 50_000, alpha=0.4),
    "fashion_mse": _reconstruction(),
    "smiley": _smiley(),
    "mnist_dense": _dense("mnist_vae", 60, **_QUARTER),
    "fashion_dense": _dense("fashion_vae", 60, **_QUARTER),
    "smiley_dense": _dense("smiley_vae", 60),
    "seed": _seed(),
}
