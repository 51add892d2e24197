import hashlib

import numpy as np
import pytest

from tests.refused import assert_refused, error_of
from vsc_jax.data import smiley


def test_reproduces_every_pixel_of_the_published_images(test_data):
    sample = np.load(test_data / "smiley" / "official_sample.npz")
    images = smiley.render(sample["presence"], sample["values"])
    assert images.dtype == sample["images"].dtype
    np.testing.assert_array_equal(images, sample["images"])


def test_sizes_and_ties_that_are_rare_are_drawn_as_they_were():
    # The digest of pictures that agreed with the rules written pixel by pixel; quarters give rounding ties.
    width, height = (v.ravel() for v in np.meshgrid(np.arange(-3.5, 4, 0.5), np.arange(-1.9, 3, 0.45)))
    values = np.random.default_rng(0).integers(-16, 17, (len(width) + 400, 18)) / 4
    values[: len(width), 1], values[: len(width), 2], values[: len(width), 3] = width, width, height
    presence = np.random.default_rng(1).integers(0, 2, (len(values), 4))
    presence[: len(width)] = [1, 0, 0, 0]
    presence[len(width) :, 0] = 0
    images = smiley.render(presence, values)
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "5c6cfe8900f0d7cc"


def test_what_an_absent_attribute_would_look_like_has_no_effect():
    faces = smiley.generate(0, 300)
    np.testing.assert_array_equal(smiley.render(faces.presence, faces.factors), faces.images)
    np.testing.assert_array_equal(smiley.render(faces.attributes, faces.values), faces.images)


def test_extreme_factors_are_drawn_without_an_error():
    values = np.random.default_rng(0).choice([-20.0, 20.0, -2.5, -4.0], (200, 18))
    assert smiley.render(np.ones((200, 4)), values).max() == 1


def test_generated_statistics_are_those_of_the_process():
    n = 20_000
    faces = smiley.generate(1, n)
    assert faces.images.shape == (n, 32, 32)
    assert faces.images.dtype == faces.presence.dtype == np.uint8
    assert set(np.unique(faces.images)) == {0, 1}
    assert faces.values.dtype == faces.factors.dtype == np.float32
    # Five standard errors of each statistic.
    np.testing.assert_allclose(faces.attributes.mean(axis=0), 0.5, atol=5 * 0.5 / n**0.5)
    np.testing.assert_allclose(faces.values.mean(axis=0), 0.0, atol=5 * 0.5 / n**0.5)
    np.testing.assert_allclose(faces.values.std(axis=0), 0.5, atol=5 * 0.5 / (2 * n) ** 0.5)
    correlation = np.corrcoef(np.hstack([faces.values, faces.attributes]).T)
    np.testing.assert_allclose(correlation, np.eye(22), atol=5 / n**0.5)
    np.testing.assert_array_equal(faces.presence, faces.attributes[:, smiley.ATTRIBUTE_OF_FACTOR])
    # 5,257 of the 20,000 published images repeat another one.
    distinct = {image.tobytes() for image in faces.images}
    assert n - len(distinct) == pytest.approx(5257, abs=350)


@pytest.mark.parametrize("presence", [0.0, 0.2, 1.0])
def test_presence_is_the_probability_of_each_attribute(presence):
    rates = smiley.generate(2, 5000, presence).attributes.mean(axis=0)
    np.testing.assert_allclose(rates, presence, atol=5 * (presence * (1 - presence) / 5000) ** 0.5)


def test_a_seed_gives_the_same_images_and_a_longer_draw_begins_with_the_shorter():
    long, short, other = smiley.generate(3, 700), smiley.generate(3, 300), smiley.generate(4, 300)
    for whole, part in zip(long, short, strict=True):
        np.testing.assert_array_equal(whole[:300], part)
    assert (other.images != short.images).any()
    assert smiley.generate(3, 0).images.shape == (0, 32, 32)


def test_crop_keeps_the_middle_28_pixels():
    images = smiley.generate(0, 5).images
    np.testing.assert_array_equal(smiley.crop(images), images[:, 2:30, 2:30])


ONES, ZEROS = np.ones((3, 4)), np.zeros((3, 18))


def changed(array, row, column, value):
    array = array.copy()
    array[row, column] = value
    return array


@pytest.mark.parametrize(("presence", "values", "message"), [
    (ONES, ZEROS[:, :17], r"values: expected numbers \[n, 18\], got float64 \[3, 17\]$"),
    (ONES, ZEROS[0], r"values: expected numbers \[n, 18\]"),
    (ONES, np.full((3, 18), "a"), r"values: expected numbers \[n, 18\], got <U1"),
    (ONES, changed(ZEROS, 1, 7, np.nan), "values: expected finite .* got nan in row 1, column 7$"),
    (ONES, changed(ZEROS, 0, 3, 1e9), "values: .* at most 20, got 1000000000.0 in row 0, column 3$"),
    (np.ones((3, 5)), ZEROS, r"presence: expected shape \[n, 4\] or \[n, 18\], got \[3, 5\]$"),
    (np.ones(3), ZEROS, "presence: expected shape"),
    (np.ones((2, 4)), ZEROS, "presence: expected 3 rows, as many as values, got 2$"),
    (changed(ONES, 0, 0, 0.5), ZEROS, "presence: expected only 0 and 1$"),
    (changed(ONES, 0, 0, np.nan), ZEROS, "presence: expected only 0 and 1$"),
    (changed(np.ones((3, 18)), 2, 5, 0), ZEROS, "presence: row 2 differs within an attribute"),
])  # fmt: skip
def test_bad_factors_are_named(presence, values, message):
    assert_refused(f"^{message}", smiley.render, presence, values)


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, -1), "n: expected a number of images of at least 0, got -1"),
    ((-1, 1), "seed: expected an integer of at least 0, got -1"),
    ((0, 1, 1.5), "presence: expected a probability from 0 to 1, got 1.5"),
    ((0, 1, float("nan")), "presence: expected a probability from 0 to 1, got nan"),
])  # fmt: skip
def test_bad_draws_are_named(arguments, message):
    assert error_of(smiley.generate, *arguments) == message
