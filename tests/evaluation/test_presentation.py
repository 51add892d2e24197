"""How test examples are presented, and the words for it."""

import numpy as np
import pytest

from vsc_jax.data import Dataset, Split
from vsc_jax.evaluation.presentation import in_words, presented

GREY = np.random.default_rng(0).integers(0, 256, (2000, 3, 3), np.uint8)


def dataset(x: np.ndarray) -> Dataset:
    return Dataset("letters", Split(x), Split(x))


def test_dynamic_binarisation_is_one_draw_for_a_seed():
    drawn = presented(GREY, "dynamic", np.random.default_rng(1))
    assert set(np.unique(drawn)) == {0, 255}
    assert drawn.mean() == pytest.approx(GREY.mean(), rel=0.03)
    np.testing.assert_array_equal(drawn, presented(GREY, "dynamic", np.random.default_rng(1)))
    assert (drawn != presented(GREY, "dynamic", np.random.default_rng(2))).any()


@pytest.mark.parametrize("binarize", ["none", "static"])
def test_otherwise_examples_are_taken_as_they_are(binarize):
    assert presented(GREY, binarize, np.random.default_rng(0)) is GREY


@pytest.mark.parametrize(
    ("x", "binarize", "words"),
    [
        (GREY, "none", "grey values"),
        (GREY, "dynamic", "binarised dynamically"),
        (np.where(GREY > 99, 255, 0).astype(np.uint8), "static", "binarised statically"),
        (np.where(GREY > 99, 255, 0).astype(np.uint8), "none", "binary values"),
        ((GREY > 99).astype(np.float32), "none", "binary values"),
        (np.repeat(GREY[..., None], 3, axis=-1), "none", "colour values"),
        (np.ones((2000, 4), np.float32) / 3, "none", "real values"),
    ],
)
def test_words_say_what_the_numbers_are_about(x, binarize, words):
    assert in_words(dataset(x), binarize) == f"letters, 2,000 test examples, {words}"
