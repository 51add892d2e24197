import numpy as np
import pytest

from vsc_jax.data.examples import bernoulli_draw


@pytest.mark.parametrize("scale", [1, 255], ids=["float", "uint8"])
def test_every_value_is_the_probability_of_a_one(scale: int) -> None:
    levels = np.array([0, 1, 51, 128, 254, 255], np.uint8)
    x = np.tile(levels, (20_000, 1))
    given = x if scale == 255 else (x / np.float32(255)).astype(np.float32)
    drawn = bernoulli_draw(given, np.random.default_rng(0))
    assert drawn.dtype == np.uint8
    assert set(np.unique(drawn)) == {0, 255}
    p = levels / 255
    error = np.abs((drawn == 255).mean(axis=0) - p)
    assert (error <= 5 * (p * (1 - p) / 20_000) ** 0.5).all()
    assert drawn[:, 0].max() == 0
    assert drawn[:, -1].min() == 255


@pytest.mark.parametrize("grey", [np.uint8(100), np.float32(0.4)], ids=["uint8", "float"])
def test_first_examples_do_not_depend_on_how_many_follow(grey: np.generic) -> None:
    x = np.full((10_000, 7), grey)
    whole = bernoulli_draw(x, np.random.default_rng(5))
    for n in (1, 4096, 5001):
        np.testing.assert_array_equal(bernoulli_draw(x[:n], np.random.default_rng(5)), whole[:n])
