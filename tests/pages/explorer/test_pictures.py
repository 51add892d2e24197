"""Examples become files that a browser shows upright and unchanged."""

import io

import numpy as np
import pytest
from PIL import Image

from vsc_jax.pages.explorer.pictures import PNG, SVG, picture


@pytest.mark.parametrize(
    ("example", "mode"),
    [
        (np.linspace(0, 1, 48).reshape(6, 8), "L"),
        (np.linspace(0, 1, 48).reshape(6, 8, 1), "L"),
        (np.linspace(0, 1, 144).reshape(6, 8, 3), "RGB"),
    ],
)
def test_images_keep_every_pixel(example, mode):
    content, kind = picture(example, "image", 0.0, 1.0)
    image = Image.open(io.BytesIO(content))
    assert (kind, image.mode, image.size) == (PNG, mode, (8, 6))
    np.testing.assert_array_equal(np.asarray(image), np.round(255 * example).reshape(np.asarray(image).shape))


def test_values_outside_the_range_are_clipped():
    content, _ = picture(np.array([[-1.0, 2.0] * 2] * 4), "image", 0.0, 1.0)
    assert np.asarray(Image.open(io.BytesIO(content)))[0].tolist() == [0, 255, 0, 255]


def test_a_vector_is_a_curve_with_large_values_on_top():
    content, kind = picture(np.array([0.0, 5.0, 10.0]), "vector", 0.0, 10.0)
    assert kind == SVG
    assert b'points="0.0,200.0 160.0,100.0 320.0,0.0"' in content
    assert b"nan" not in picture(np.ones(3), "vector", 1.0, 1.0)[0]


def test_a_signal_is_a_curve_for_each_channel():
    content, kind = picture(np.array([[0.0, 10.0], [5.0, 10.0], [10.0, 0.0]]), "signal", 0.0, 10.0)
    assert kind == SVG
    assert b'points="0.0,200.0 160.0,100.0 320.0,0.0"' in content
    assert b'points="0.0,0.0 160.0,0.0 320.0,200.0"' in content
    assert content.count(b"<polyline") == 2
