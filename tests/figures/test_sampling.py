import numpy as np

from vsc_jax.figures.sampling import draw_conditional_samples, resample_slab
from vsc_jax.spike_slab import SpikeSlab


def test_the_support_is_kept_and_the_values_are_drawn_from_the_slab():
    support = np.array([[True, False, True], [False, True, False]])
    prior = SpikeSlab(np.array([[3.0, -2, 0]]), np.log([[0.25, 1.0, 4.0]]), np.zeros((1, 3)))
    z = resample_slab(support, prior, 4000, np.random.default_rng(0))
    assert z.shape == (2, 4000, 3)
    np.testing.assert_array_equal(z != 0, np.broadcast_to(support[:, None], z.shape))
    np.testing.assert_allclose(z[0, :, [0, 2]].mean(axis=1), [3, 0], atol=0.15)
    np.testing.assert_allclose(z[0, :, [0, 2]].std(axis=1), [0.5, 2], rtol=0.05)


def test_components_are_chosen_by_the_probability_of_the_support():
    gamma = np.array([[0.9, 0.1], [0.3, 0.2]])
    prior = SpikeSlab(np.array([[10.0, 0], [-10, 0]]), np.full((2, 2), -9.0), np.log(gamma / (1 - gamma)))
    z = resample_slab(np.array([[True, False]]), prior, 20_000, np.random.default_rng(1))
    weights = gamma[:, 0] * (1 - gamma[:, 1])
    np.testing.assert_allclose((z[0, :, 0] > 0).mean(), weights[0] / weights.sum(), atol=0.01)


def test_gates_of_extreme_logits_give_finite_codes():
    prior = SpikeSlab(np.ones((2, 2)), np.zeros((2, 2)), np.array([[1e4, -1e4], [-1e4, 1e4]]))
    z = resample_slab(np.array([[True, True], [False, True]]), prior, 3, np.random.default_rng(0))
    assert np.isfinite(z).all()


def test_a_row_shows_the_image_its_reconstruction_and_its_samples():
    rng = np.random.default_rng(0)
    images, outputs, samples = rng.random((2, 4, 4)), rng.random((2, 4, 4)), rng.random((2, 3, 4, 4))
    left, right = draw_conditional_samples(images, outputs, samples, np.array([7, 9])).axes
    first, drawn = (np.asarray(axes.images[0].get_array()) for axes in (left, right))
    np.testing.assert_array_equal(first[5:9, 0:4], images[1])
    np.testing.assert_array_equal(first[5:9, 5:9], outputs[1])
    np.testing.assert_array_equal(drawn[0:4, 10:14], samples[0, 2])
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["7 on", "9 on"]
