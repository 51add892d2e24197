"""The FactorVAE score of codes whose answer is known."""

import numpy as np
import pytest

from vsc_jax.data import smiley
from vsc_jax.evaluation.factor_vae import factor_vae_score, fixed_batches

ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(18, 18)))[0]


def noise(faces: smiley.Smileys) -> np.ndarray:
    return np.random.default_rng(faces.images.sum()).normal(size=faces.factors.shape)


@pytest.mark.parametrize(
    ("represent", "low", "high"),
    [
        (lambda faces: faces.factors, 1, 1),
        (lambda faces: -2 * np.roll(faces.factors, 5, axis=1), 1, 1),
        (lambda faces: np.concatenate([faces.factors, faces.factors], axis=1), 1, 1),
        (lambda faces: np.ones((len(faces.images), 7)), 0, 0),
        (noise, 0, 0.25),
        (lambda faces: faces.factors @ ROTATION, 0, 0.7),
        (lambda faces: faces.factors + 0.05 * noise(faces), 0.95, 1),
        # Latents that only tell presence cannot tell the features of an attribute apart.
        (lambda faces: faces.attributes.astype(float), 0.15, 0.3),
    ],
    ids=["perfect", "permuted", "duplicated", "constant", "noise", "rotated", "noisy", "presence"],
)
def test_codes_with_known_answers(represent, low, high):
    assert low <= factor_vae_score(represent, votes=4, batch=32) <= high


def test_batches_fix_one_feature_and_show_its_attribute():
    faces = fixed_batches(0, votes=2, batch=5, presence=0.5)
    values = faces.values.reshape(18, 2, 5, 18)
    shown = faces.presence.reshape(18, 2, 5, 18)
    for k in range(18):
        fixed = np.ptp(values[k], axis=1) == 0
        np.testing.assert_array_equal(fixed, np.tile(np.arange(18) == k, (2, 1)))
        assert (shown[k, :, :, k] == 1).all()
    np.testing.assert_array_equal(faces.images[:9], smiley.render(faces.presence[:9], faces.values[:9]))
