import numpy as np

from vsc_jax.figures.sampling import draw_conditional_samples


def test_a_row_shows_the_image_its_reconstruction_and_its_samples():
    rng = np.random.default_rng(0)
    images, outputs, samples = rng.random((2, 4, 4)), rng.random((2, 4, 4)), rng.random((2, 3, 4, 4))
    left, right = draw_conditional_samples(images, outputs, samples, np.array([7, 9])).axes
    first, drawn = (np.asarray(axes.images[0].get_array()) for axes in (left, right))
    np.testing.assert_array_equal(first[5:9, 0:4], images[1])
    np.testing.assert_array_equal(first[5:9, 5:9], outputs[1])
    np.testing.assert_array_equal(drawn[0:4, 10:14], samples[0, 2])
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["7 on", "9 on"]
