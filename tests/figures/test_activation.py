import numpy as np

from vsc_jax.figures.activation import class_means, draw_activation, order_by_class
from vsc_jax.figures.style import save

LABELS = np.array([0, 0, 1, 1, 2, 2])


def gates():
    """Latent 0 is never on, 1 belongs to class 2, 2 to class 0, 3 to class 1, 4 to class 0 less than 2."""
    on = np.zeros((6, 5))
    on[:, 1] = [0, 0, 0, 0, 1, 1]
    on[:, 2] = [1, 1, 0, 0, 0, 0]
    on[:, 3] = [0, 0, 1, 0.5, 0, 0]
    on[:, 4] = [0.5, 0.5, 0, 0.2, 0, 0]
    return on


def test_class_means_are_means_over_the_examples_of_a_class():
    np.testing.assert_allclose(class_means(gates(), LABELS, 3)[1], [0, 0, 0, 0.75, 0.1])


def test_a_class_without_examples_is_blank():
    assert np.isnan(class_means(gates(), LABELS, 4)[3]).all()


def test_latents_are_ordered_by_class_and_then_by_size():
    order = order_by_class(class_means(gates(), LABELS, 3))
    assert order.tolist() == [2, 4, 0, 3, 1]


def test_both_maps_show_the_same_latents_in_the_same_order():
    on = gates() > 0.4
    code = np.where(on, -2.0, 0.0)
    figure = draw_activation(on, code, LABELS, ("a", "b", "c"))
    top, bottom = figure.axes[:2]
    kept = [2, 4, 3, 1]
    np.testing.assert_allclose(top.images[0].get_array(), class_means(on, LABELS, 3)[:, kept])
    np.testing.assert_allclose(bottom.images[0].get_array(), class_means(np.abs(code), LABELS, 3)[:, kept])
    for axes in (top, bottom):
        assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(latent) for latent in kept]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent", "class")
    assert top.images[0].get_clim() == (0, 1)
    assert bottom.images[0].get_clim() == (0, 2)


def test_names_of_classes_are_written_as_they_are(tmp_path):
    names = ("$10-$20", r"cost $\foo$", "a_b")
    figure = draw_activation(gates() > 0.4, gates(), LABELS, names)
    save(figure, tmp_path / "figure.png")  # a formula that cannot be parsed would stop here
    for axes in figure.axes[:2]:
        assert [tick.get_text() for tick in axes.get_yticklabels()] == list(names)
        assert not any(tick.get_parse_math() for tick in axes.get_yticklabels())


def test_the_title_says_how_many_latents_are_left_out():
    figure = draw_activation(gates() > 0.4, gates(), LABELS)
    assert figure.get_suptitle().startswith("Class by class: 4 latents")
    assert "1 of 5" in figure.get_suptitle()


def test_without_gates_there_is_one_map_of_all_latents():
    figure = draw_activation(None, gates(), LABELS)
    assert len(figure.axes) == 2  # the map and its colour bar
    assert figure.axes[0].images[0].get_array().shape == (3, 5)
    assert "left out" not in figure.get_suptitle()


def test_a_collapsed_code_can_be_drawn():
    figure = draw_activation(np.zeros((6, 2), bool), np.zeros((6, 2)), LABELS)
    assert figure.axes[0].images[0].get_array().shape == (3, 2)
