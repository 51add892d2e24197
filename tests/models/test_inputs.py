"""What users may hand to a model: the data set's own batches, as uint8 or as floats."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.data import from_arrays
from vsc_jax.models.inputs import as_examples, as_float
from vsc_jax.spike_slab import SpikeSlab

KINDS = ("ae", "vae", "vsc")


def ask(model, x):
    """Everything that a user may ask a model for."""
    return model.encode(x), model.code(x), model.reconstruct(x), model.sample(jax.random.key(0), 5)


def test_bytes_stand_for_fractions_of_255():
    np.testing.assert_allclose(as_float(np.array([0, 51, 255], np.uint8)), [0, 0.2, 1], rtol=1e-6)
    assert as_float(np.array([0.5], np.float64)).dtype == jnp.float32
    with pytest.raises(TypeError, match="expected uint8 or floating-point examples, got int32"):
        as_float(np.array([1, 2], np.int32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool])
def test_vectors_are_numbers_and_whole_numbers_in_images_pixels_as_in_training(dtype):
    x = np.array([[0, 51, 255], [0, 1, 102]]).astype(dtype)
    vectors = from_arrays(x, x_test=x).train.x
    np.testing.assert_array_equal(as_examples(x, (3,)), vectors)
    np.testing.assert_array_equal(as_examples(pandas.DataFrame(x), (3,)), vectors)
    if dtype is not np.float64:
        images = from_arrays(x[..., None], x_test=x[..., None]).train.x
        np.testing.assert_allclose(as_examples(x[..., None], (3, 1)), images / 255, rtol=1e-6)
        np.testing.assert_allclose(
            jax.jit(lambda x: as_examples(x, (3, 1)))(x[..., None]), images / 255, rtol=1e-6
        )


def test_large_whole_numbers_and_what_is_no_number_or_masked():
    assert as_examples(np.array([[2**40]]), (1,))[0, 0] == 2.0**40
    with pytest.raises(UserError, match="^x: missing value in row 0, column 1$"):
        as_examples(np.ma.masked_array([[1.0, 2.0]], [[False, True]]), (2,))
    with pytest.raises(UserError, match="^x: expected numbers or bools, got <U1$"):
        as_examples(np.array([["a"]]), (1,))
    for pixels, got in (([0, 1], "nothing above 1; give black and white as bool"), ([-3, 256], "-3 to 256")):
        with pytest.raises(UserError, match=f"^x: expected images of .* from 0 to 255, got {got}$"):
            as_examples(np.array([[pixels]]), (1, 2))


@pytest.mark.parametrize(("kind", "shape", "network"), [
    ("ae", (4, 3), "mlp"), ("vae", (32, 2), "conv1d"), ("vsc", (8, 6), "conv"), ("vsc", (4, 3), "mlp"),
])  # fmt: skip
def test_no_rows_have_no_codes(kind, shape, network, tiny):
    model = tiny(kind, shape=shape, network=network)
    x = np.zeros((0, *shape), np.float32)
    as_called = jax.jit if "conv" in network else lambda method: method  # whose values are looked at
    assert as_called(model.code)(x).shape == (0, 3)
    assert as_called(model.reconstruct)(x).shape == (0, *shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "network"), [((8, 6), "conv"), ((8, 6, 3), "conv"), ((4, 3, 1), "mlp"), ((5,), "mlp")]
)
def test_shapes(kind, shape, network, tiny):
    model = tiny(kind, shape=shape, network=network)
    encoded, code, reconstruction, samples = jax.eval_shape(
        lambda x: ask(model, x), np.zeros((4, *shape), np.uint8)
    )
    assert isinstance(encoded, SpikeSlab) == (kind == "vsc")
    assert all(field.shape == (4, 3) for field in jax.tree.leaves(encoded))
    assert code.shape == (4, 3)
    assert reconstruction.shape == (4, *shape)
    assert samples.shape == (5, *shape)


def test_a_single_channel_may_be_left_out():
    grey = np.random.default_rng(0).random((2, 4, 3, 1), np.float32)
    for shape in ((4, 3), (4, 3, 1)):
        for x in (grey, grey[..., 0]):
            np.testing.assert_array_equal(as_examples(x, shape), grey.reshape(2, *shape))


def test_codes_may_have_any_leading_axes_and_any_float_type(tiny):
    model = tiny("vsc")
    z = np.random.default_rng(0).standard_normal((2, 5, 3))
    decoded = model.decode(z)
    assert decoded.shape == (2, 5, 4, 3)
    assert decoded.dtype == jnp.float32


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4), (2, 12), (2, 4, 3, 3), (2,)])
def test_anything_but_a_batch_of_examples_is_refused(shape, tiny):
    with pytest.raises(
        ValueError, match=r"^expected a batch of examples \[n, 4, 3\], got an array of shape \["
    ):
        as_examples(np.zeros(shape, np.float32), (4, 3))
    with pytest.raises(ValueError, match=r"^expected a batch of examples \[n, 4, 3\]"):
        tiny("vsc").encode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_takes_bytes_as_fractions_of_255_and_makes_images_in_range(kind, tiny, coefficients):
    model = tiny(kind)
    grey = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)

    def measured(x):
        keys = jax.random.split(jax.random.key(1), 3)
        found = [*ask(model, x), model.objective(x, keys[0], coefficients)]
        if kind == "ae":
            return [*found, model.reconstruction(x)]
        found += [model.terms(x, keys[1]), model.log_importance_weights(x, keys[2], 2)]
        if kind == "vsc":
            found += [model.selection_terms(x, how) for how in ("soft", "paper", "exact")]
        return found

    from_bytes, from_floats = measured(grey), measured(grey.astype(np.float64) / 255)
    for images in from_bytes[2:4]:
        assert np.min(images) > 0
        assert np.max(images) < 1
    chex.assert_trees_all_close(from_bytes[:4], from_floats[:4], rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(from_bytes[4:], from_floats[4:], rtol=1e-4, atol=1e-4)
    with pytest.raises(TypeError, match=r"^x: expected floats .*, got uint8"):
        model.decoder.log_likelihood(model.code(grey), jnp.asarray(grey))


@pytest.mark.parametrize("method", ["encode", "code", "reconstruct"])
def test_values_that_training_would_refuse_are_refused(method, tiny):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.float32)
    pixels[0, 0, :2] = 0, 255
    ask = getattr(tiny("vsc"), method)
    with pytest.raises(ValueError, match=r"^x: expected values from 0 to 1, as in training, got 0 to 255$"):
        ask(pixels)
    jax.jit(ask)(pixels)  # has no values to look at
    ask_gaussian = getattr(tiny("vsc", likelihood="gaussian"), method)
    ask_gaussian(pixels)
    pixels[2, 1, 0] = np.nan
    for refusing in (ask, ask_gaussian):
        with pytest.raises(ValueError, match=r"^x: missing value in row 2, "):
            refusing(pixels)
