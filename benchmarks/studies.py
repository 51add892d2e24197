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
    "probe_accuracy",
    "attributes_found",
)


@dataclass(frozen=True)
class Setting:
    """One row of a study: a preset and what is changed in it."""

    label: str
    preset: str
    overrides: dict[str, Any] = field(default_factory=dict)


def _collapse() -> list[Setting]:
    return [
        Setting(
            f"J{latents}-alpha{alpha}",
            "mnist_vsc",
            {
                "model.latents": latents,
                "model.alpha": alpha,
                "model.prior_rate": alpha,
                "train.steps": 1500,
                "evaluate.samples": 10,
                "evaluate.figures": False,
            },
        )
        for latents in (2, 8, 60, 200)
        for alpha in (0.003, 0.01, 0.1, 0.5)
    ]


def _against_vae(data: str) -> list[Setting]:
    return [
        Setting(f"{kind}-J{latents}", f"{data}_{kind}", {"model.latents": latents, "evaluate.figures": False})
        for latents in (2, 8, 24, 60, 200)
        for kind in ("vae", "vsc")
    ]


def _smiley() -> list[Setting]:
    return [
        Setting(f"{kind}-J{latents}", f"smiley_{kind}", {"model.latents": latents, "evaluate.figures": False})
        for latents in (18, 40, 50, 60, 200)
        for kind in (("vae", "vsc") if latents == 60 else ("vsc",))
    ]


STUDIES: dict[str, list[Setting]] = {
    "collapse": _collapse(),
    "mnist": _against_vae("mnist"),
    "fashion": _against_vae("fashion"),
    "smiley": _smiley(),
}
