"""The folder for SAELens has the names and shapes that it reads, and its pursuit finds our code with them."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from vsc_jax.config.errors import UserError
from vsc_jax.contrib.saelens import save_sae


@pytest.fixture(scope="module")
def given():
    """Atoms [3, 4] at right angles, of norm 2, 3 and 0, a bias, and examples whose codes say all but .1."""
    rng = np.random.default_rng(0)
    atoms = np.diag([2.0, 3.0, 0.0, 0.0])[:3]
    codes = rng.normal(size=(50, 3)) * (rng.random((50, 3)) < 0.5)
    bias = np.array([1.0, -1.0, 5.0, 0.0])
    return atoms, bias, codes @ atoms + bias + [0, 0, 0, 0.1], codes


def pursued(config, weights, x):
    """Codes [n, d_sae] as ``sae_lens.saes.matching_pursuit_sae`` finds them, one row after the other."""
    codes = np.zeros((len(x), config["d_sae"]))
    for code, left in zip(codes, x - weights["b_dec"], strict=True):
        for _ in range(config["max_iterations"]):
            if np.linalg.norm(left) < config["residual_threshold"]:
                break
            best = int(np.argmax(weights["W_dec"] @ left))
            value = max(weights["W_dec"][best] @ left, 0)
            code[best] += value
            left -= value * weights["W_dec"][best]
    return codes


@pytest.mark.parametrize("signed", [True, False])
def test_its_pursuit_finds_our_code_times_the_norms(signed, given, tmp_path):
    atoms, bias, x, codes = given
    if not signed:
        codes = np.abs(codes)
        x = codes @ atoms + bias + [0, 0, 0, 0.1]
    folder = save_sae(tmp_path / "sae", atoms, bias, x, codes)
    config = json.loads((folder / "cfg.json").read_text())
    weights = load_file(folder / "sae_weights.safetensors")
    assert {name: array.dtype.name for name, array in weights.items()} == dict.fromkeys(weights, "float32")
    assert config["architecture"] == "matching_pursuit"
    assert weights["W_dec"].shape == (config["d_sae"], config["d_in"]) == (6 if signed else 3, 4)
    assert config["apply_b_dec_to_input"] is True
    assert config["normalize_activations"] == "none"
    assert config["residual_threshold"] == pytest.approx(0.1, rel=1e-5)
    assert config["metadata"]["atom_norms"] == [2, 3, 0]
    assert config["metadata"]["sae_lens_version"] >= "6.43.0"
    found = pursued(config, weights, x)
    ours = found[:, :3] - found[:, 3:] if signed else found
    np.testing.assert_allclose(ours, codes * [2, 3, 0], atol=2e-6)
    np.testing.assert_allclose(found @ weights["W_dec"] + weights["b_dec"], codes @ atoms + bias, atol=2e-6)


@pytest.mark.parametrize(("position", "value", "named"), [
    (0, np.zeros(3), r"atoms: expected \[latents, features\], got the shape \[3\]"),
    (1, np.zeros(3), r"bias: expected the shape \[4\], got \[3\]"),
    (2, np.full((50, 4), np.nan), "examples: expected finite numbers"),
    (3, np.zeros((49, 3)), r"codes: expected the shape \[50, 3\], got \[49, 3\]"),
    (None, None, r"file: cannot be written \("),
])  # fmt: skip
def test_what_does_not_fit_and_a_folder_that_cannot_be_written_are_named(
    position, value, named, given, tmp_path
):
    arrays = [value if place == position else array for place, array in enumerate(given)]
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UserError, match=named):
        save_sae(tmp_path / "file", *arrays)
