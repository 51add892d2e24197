"""What the explorer knows of a model's examples: codes, captions, and files that a browser shows upright."""

import io

import numpy as np
import pytest
from PIL import Image

from vsc_jax.data import Split, smiley
from vsc_jax.pages.explorer.explorer import picture


def test_codes_are_zero_where_the_gate_is_off_and_keep_a_value_to_start_from(explorer):
    code, view = explorer.example(0), explorer.view
    z, start, off = np.array(code["z"]), np.array(code["start"]), np.array(code["gamma"]) <= 0.5
    assert off.any()
    np.testing.assert_array_equal(z == 0, off)
    np.testing.assert_array_equal(start[~off], z[~off])
    latent = int(np.flatnonzero(off)[0])
    values = view.code[:, latent]
    assert start[latent] == pytest.approx(np.median(values[values != 0]) if values.any() else 1.0, abs=1e-5)
    assert (np.abs(view.code) <= explorer.reach).mean() > 0.99


def test_what_a_model_lacks_is_said(explorer, make_explorer):
    assert (explorer.describe()["notes"], explorer.describe()["gated"]) == ([], True)
    no_gates, no_prior = make_explorer("ae").describe()["notes"]
    assert "no gates" in no_gates
    assert "no prior" in no_prior
    collapsed = make_explorer(initial_gate_logit=-50.0)
    assert "collapsed" in collapsed.describe()["notes"][0]
    assert collapsed.reach == 1.0


def test_captions_name_the_class_or_the_attributes_or_nothing(explorer, make_explorer):
    assert [explorer.caption(n) for n in range(3)] == ["class zero", "class one", "class two"]
    named = make_explorer(data="faces")
    for n in range(5):
        groups = zip(smiley.ATTRIBUTES, smiley.GROUPS, strict=True)
        present = [name for name, group in groups if named.view.test.presence[n][group.start]]
        assert named.caption(n) == (f"with {', '.join(present)}" if present else "no attributes")
    named.view.test = Split(named.view.test.x)
    assert named.caption(0) == ""


@pytest.mark.parametrize(("shape", "mode"), [((6, 8), "L"), ((6, 8, 1), "L"), ((6, 8, 3), "RGB")])
def test_images_keep_every_pixel(shape, mode):
    example = np.linspace(0, 1, np.prod(shape)).reshape(shape)
    content, kind = picture(example, "image", 0.0, 1.0)
    image = Image.open(io.BytesIO(content))
    assert (kind, image.mode, image.size) == ("image/png", mode, (8, 6))
    np.testing.assert_array_equal(np.asarray(image), np.round(255 * example).reshape(np.asarray(image).shape))
    clipped, _ = picture(np.array([[-1.0, 2.0] * 2] * 4), "image", 0.0, 1.0)
    assert np.asarray(Image.open(io.BytesIO(clipped)))[0].tolist() == [0, 255, 0, 255]


def test_vectors_and_signals_are_curves_with_large_values_on_top():
    rising, falling = 'points="0.0,200.0 160.0,100.0 320.0,0.0"', 'points="0.0,0.0 160.0,0.0 320.0,200.0"'
    content, kind = picture(np.array([0.0, 5.0, 10.0]), "vector", 0.0, 10.0)
    assert (kind, rising in content.decode()) == ("image/svg+xml", True)
    assert b"nan" not in picture(np.ones(3), "vector", 1.0, 1.0)[0]
    signal = picture(np.array([[0.0, 10.0], [5.0, 10.0], [10.0, 0.0]]), "signal", 0.0, 10.0)[0].decode()
    assert signal.count("<polyline") == signal.count(rising) + signal.count(falling) == 2
