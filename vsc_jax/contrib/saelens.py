"""A sparse code with a linear decoder as a folder that SAELens loads, ``sae_lens.SAE.load_from_disk``.

SAELens has no encoder with priors. Its ``MatchingPursuitSAE`` has no encoder weights at all: it looks for a
code with the decoder alone. So the decoder there is ours to the last digit, and the code, which has no gates,
is near ours where atoms are far apart (docs/peers.md has numbers).
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from safetensors.numpy import save_file

from vsc_jax import __version__
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
from vsc_jax.data.files import writing

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
_OLDEST = "6.43.0"  # version of SAELens whose spelling of the configuration it is


def save_sae(
    folder: str | Path, atoms: ArrayLike, bias: ArrayLike, examples: ArrayLike, codes: ArrayLike
) -> Path:
    """Write ``cfg.json`` and ``sae_weights.safetensors`` to a folder, made when missing; give the folder.

    An example ``[features]`` is about ``code @ atoms + bias``, with atoms ``[latents, features]``, all in the
    units of ``examples``, ``[n, features]``; ``codes``, ``[n, latents]``, are those of the examples.

    SAELens wants atoms of norm 1 and codes that are not negative: latent j there is ours times the norm of
    its atom (``atom_norms`` of the metadata), and where ``codes`` have signs, latent J + j is its negative
    part. Its pursuit ends for an example when what is left is as large as what is left of ``examples``, root
    mean square, by ``codes``.

    Raises:
      UserError: if shapes do not fit, a number is not finite, or the folder cannot be written.
    """
    folder = as_path(folder, "folder")
    given = {"atoms": atoms, "bias": bias, "examples": examples, "codes": codes}
    arrays = {name: np.asarray(array, np.float32) for name, array in given.items()}
    atoms, bias, examples, codes = arrays.values()
    if atoms.ndim != 2:
        raise UserError(f"atoms: expected [latents, features], got the shape {list(atoms.shape)}")
    latents, features = atoms.shape
    n = examples.shape[:1]
    shapes = {"bias": (features,), "examples": (*n, features), "codes": (*n, latents)}
    for name, array in arrays.items():
        if array.shape != shapes.get(name, array.shape) or not array.size:
            raise UserError(f"{name}: expected the shape {list(shapes[name])}, got {list(array.shape)}")
        if not np.isfinite(array).all():
            raise UserError(f"{name}: expected finite numbers")
    left = float(np.sqrt(np.mean(np.sum((examples - codes @ atoms - bias) ** 2, axis=1, dtype=np.float64))))
    norms = np.linalg.norm(atoms, axis=1)
    unit = atoms / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    weights = {"W_dec": np.concatenate([unit, -unit]) if codes.min() < 0 else unit, "b_dec": bias}
    config = {
        "architecture": "matching_pursuit",
        "d_in": features,
        "d_sae": len(weights["W_dec"]),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "residual_threshold": left,
        "max_iterations": min(latents, features),
        "stop_on_duplicate_support": True,
        "metadata": {
            "sae_lens_version": _OLDEST,
            "sae_lens_training_version": None,
            "vsc_jax_version": __version__,
            "atom_norms": norms.tolist(),
        },
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(weights, folder / WEIGHTS_FILE)
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
    return folder
