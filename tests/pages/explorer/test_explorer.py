"""What the explorer knows of a model: codes, captions, samples."""

import numpy as np
import pytest

from vsc_jax.data import Dataset, Split, smiley
from vsc_jax.pages.explorer.explorer import SAMPLES


def test_codes_are_zero_where_the_gate_is_off_and_keep_a_value_to_start_from(explorer):
    code = explorer.code(0)
    off = code.gamma <= 0.5
    assert (code.z[off] == 0).all()
    assert (code.z[~off] != 0).all()
    assert off.any()
    assert (code.start != 0).all()
    np.testing.assert_array_equal(code.start[~off], code.z[~off])
    latent = int(np.flatnonzero(off)[0])
    values = explorer.codes[:, latent]
    expected = np.median(values[values != 0]) if values.any() else 1.0
    assert code.start[latent] == pytest.approx(expected)


def test_the_bars_reach_over_nearly_all_values(explorer):
    assert (np.abs(explorer.codes) <= explorer.reach).mean() > 0.99


def test_a_decoded_code_is_the_model_s_reconstruction(explorer):
    images = explorer.decode(explorer.codes[:3])
    assert images.shape == (3, 8, 8)
    assert not np.array_equal(images[0], explorer.decode(np.zeros((1, 6)))[0])


def test_samples_keep_the_support_and_are_drawn_by_their_seed(explorer):
    support = np.array([True, False, True, True, False, False])
    first, again, other = (explorer.sample(support, seed) for seed in (1, 1, 2))
    assert first.shape == (SAMPLES, 6)
    assert ((first != 0) == support).all()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_gaussian_model_samples_its_standard_normal_prior(make_explorer):
    vae = make_explorer("vae")
    drawn = np.concatenate([vae.sample(np.ones(6, bool), seed) for seed in range(200)])
    assert abs(drawn.mean()) < 0.05
    assert drawn.std() == pytest.approx(1, abs=0.05)


def test_an_autoencoder_has_nothing_to_sample_from_and_says_so(make_explorer):
    ae = make_explorer("ae")
    assert not ae.samples
    notes = " ".join(ae.describe()["notes"])
    assert "no gates" in notes
    assert "no prior" in notes
    with pytest.raises(ValueError, match="no prior to sample from"):
        ae.sample(np.ones(6, bool), 0)


def test_a_model_with_gates_has_nothing_to_excuse(explorer):
    assert explorer.describe()["notes"] == []
    assert explorer.describe()["gated"]


def test_a_collapsed_code_is_called_so(make_explorer):
    collapsed = make_explorer(initial_gate_logit=-50.0)
    assert "collapsed" in collapsed.describe()["notes"][0]
    assert collapsed.reach == 1.0


def test_captions_name_the_class_or_the_attributes_or_nothing(explorer, make_explorer):
    assert [explorer.caption(n) for n in range(3)] == ["class zero", "class one", "class two"]
    faces = smiley.generate(0, 40)
    split = Split(faces.images * np.uint8(255), factors=faces.factors, presence=faces.presence)
    dataset = Dataset("smiley", split, split, factor_names=smiley.FACTORS)
    named = make_explorer(dataset=dataset)
    for n in range(5):
        present = [name for name, group in zip(smiley.ATTRIBUTES, smiley.GROUPS, strict=True)
                   if faces.presence[n][group.start]]  # fmt: skip
        assert named.caption(n) == (f"with {', '.join(present)}" if present else "no attributes")
    named.test = Split(split.x)
    assert named.caption(0) == ""
