"""Scaling: constants from the training set, taken off and put back."""

import jax.numpy as jnp
import numpy as np
import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.data.identity import difference
from vsc_jax.models import scaling
from vsc_jax.models.scaling import Scaling, fit

RNG = np.random.default_rng(0)
VECTORS = (RNG.normal(0, 1, (50, 3)) * [1, 100, 0.01] + [0, -7, 1000]).astype(np.float32)


def test_standardized_vectors_have_mean_0_and_deviation_1_in_every_column() -> None:
    scaled = fit("standardize", VECTORS).apply(VECTORS)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-2)  # 1000 +- 0.01 in float32
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-2)
    assert scaled.dtype == np.float32


def test_unit_takes_each_column_to_0_and_1_and_cuts_off_what_is_beyond() -> None:
    constants = fit("unit", VECTORS)
    scaled = constants.apply(VECTORS)
    np.testing.assert_allclose(scaled.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(axis=0), 1, atol=1e-6)
    beyond = constants.apply(np.array([[1e9, -1e9, 1e9]], np.float32))
    assert beyond.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("kind", ["unit", "standardize"])
@pytest.mark.parametrize(("shape", "signals", "constants"), [
    ((7,), False, 7), ((6, 5), False, 1), ((6, 5, 3), False, 3), ((6, 5), True, 5),
])  # fmt: skip
def test_undo_undoes_apply_in_numpy_and_jax(kind, shape, signals, constants) -> None:
    x = RNG.normal(3, 2, (20, *shape)).astype(np.float32)
    found = fit(kind, x, signals=signals)
    assert len(found.shift) == len(found.scale) == constants
    np.testing.assert_allclose(found.undo(found.apply(x)), x, rtol=1e-4, atol=1e-5)
    on_device = found.apply(jnp.asarray(x))
    np.testing.assert_allclose(on_device, found.apply(x), atol=1e-5)
    stacked = jnp.stack([on_device, on_device])
    np.testing.assert_allclose(found.undo(stacked)[1], x, rtol=1e-4, atol=1e-5)


def test_bytes_stand_for_a_share_of_255() -> None:
    x = RNG.integers(0, 256, (30, 4, 4), np.uint8)
    expected = fit("standardize", (x / 255).astype(np.float32))
    found = fit("standardize", x)
    np.testing.assert_allclose(found.shift, expected.shift, rtol=1e-5)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-5)


def test_values_that_never_change_keep_a_scale_of_1() -> None:
    x = np.stack([np.full(10, 0.1), np.arange(10.0)], axis=1).astype(np.float32)
    for kind in ("unit", "standardize"):
        assert fit(kind, x).scale[0] == 1
        np.testing.assert_allclose(fit(kind, x).apply(x)[:, 0], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("center", "deviation"), [(300, 1e-3), (5.8e6, 5), (101325, 0.05), (1.7e9, 1e4), (0, 1e-30)]
)
def test_small_deviations_beside_large_means_are_scaled(center, deviation) -> None:
    # As far as float32 tells them: a step is up to an eighth of these deviations.
    x = (center + deviation * RNG.normal(size=(500, 1))).astype(np.float32)
    scaled = fit("standardize", x).apply(x).astype(np.float64)
    assert abs(scaled.mean()) < 0.1
    assert scaled.std() == pytest.approx(1, abs=1e-3)


def test_no_standardized_value_is_beyond_4() -> None:
    x = np.zeros((1000, 3), np.float32)
    x[0, 0], x[0, 1], x[:, 2] = 16, -1e-3, VECTORS[np.arange(1000) % 50, 0]
    scaled = fit("standardize", x).apply(x)
    np.testing.assert_allclose(np.abs(scaled[:, :2]).max(axis=0), 4, rtol=1e-5)
    assert scaled[:, 2].std() == pytest.approx(1)


@pytest.mark.parametrize("value", [0.1, 0.3, 333333.33, -1e-30, 1e30])
@pytest.mark.parametrize("n", [3, 300, 7001])
def test_rounding_is_no_deviation(value, n) -> None:
    for dtype in (np.float32, np.float64):
        assert scaling.moments(np.full((n, 1), value, dtype))[1].tolist() == [1]
    nearly = value * (1 + np.finfo(float).eps * (np.arange(n) % 2))
    assert scaling.moments(nearly[:, None])[1].tolist() == [1]


def test_large_arrays_are_measured_in_parts(monkeypatch) -> None:
    whole = fit("standardize", VECTORS)
    monkeypatch.setattr(scaling, "_CHUNK_BYTES", 100)
    parts = fit("standardize", VECTORS)
    np.testing.assert_allclose(parts.shift, whole.shift, rtol=1e-6)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-5)


def test_json_gives_back_the_very_constants() -> None:
    found = fit("standardize", VECTORS)
    assert scaling.from_json(scaling.to_json(found), (3,)) == found
    assert scaling.from_json(scaling.to_json(None), (3,)) is None


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "log"}, "scaling: expected kind unit or standardize"),
    ({"shift": [0.0, 0.0]}, "scaling.shift: expected a list of 1 or 3 numbers"),
    ({"scale": "1"}, "scaling.scale: expected a list of 1 or 3 numbers"),
    ({"scale": [0.0]}, "scaling.scale: expected finite positive numbers"),
    ({"shift": [float("nan")]}, "scaling.shift: expected finite numbers"),
    ({"shift": [True]}, "scaling.shift: expected finite numbers"),
])  # fmt: skip
def test_damaged_constants_are_named(change, message) -> None:
    stored = {**scaling.to_json(Scaling("unit", (0.0,), (1.0,))), **change}
    with pytest.raises(UserError, match=f"^{message}"):
        scaling.from_json(stored, (3,))


def test_what_older_versions_called_otherwise_is_read():
    stored = {"kind": "standardise", "shift": [1.0], "scale": [2.0]}
    today = {**stored, "kind": "standardize"}
    assert scaling.from_json(stored, (3,)) == scaling.from_json(today, (3,))
    assert difference({"scaling": stored}, {"scaling": today}) is None
