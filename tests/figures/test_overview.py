import dataclasses

import pytest

from vsc_jax.figures.overview import draw_overview

HISTORY = [{"step": 10, "reconstruction": -9.0, "gradient_norm": 1.0, "schedule": {"learning_rate": 1.0}}]


@pytest.mark.parametrize("kind", ["ae", "vsc"])
def test_labelled_images_get_all_three_figures_in_a_new_folder(kind, digits, make_model, tmp_path):
    folder = tmp_path / "run" / "figures"
    files = draw_overview(make_model(digits, kind), digits, HISTORY, folder, seed=0)
    assert {path.name for path in folder.iterdir()} == {
        "reconstructions.png",
        "history.png",
        "activation.png",
    }
    assert files == {name: folder / f"{name}.png" for name in ("reconstructions", "history", "activation")}


def test_without_labels_or_history_only_reconstructions_are_drawn(faces, make_model, tmp_path):
    files = draw_overview(make_model(faces, "vae"), faces, [], tmp_path, seed=0)
    assert list(files) == ["reconstructions"]


def test_vectors_are_drawn_too(vectors, make_model, tmp_path):
    files = draw_overview(make_model(vectors, "vsc"), vectors, HISTORY, tmp_path, seed=0)
    assert set(files) == {"reconstructions", "history"}


def test_fewer_examples_than_places_can_be_drawn(faces, make_model, tmp_path):
    few = dataclasses.replace(faces, test=faces.test.first(2))
    assert "reconstructions" in draw_overview(make_model(faces, "ae"), few, [], tmp_path, seed=0)


def test_files_of_an_earlier_drawing_are_replaced_and_a_seed_gives_the_same_bytes(
    faces, make_model, tmp_path
):
    model = make_model(faces, "ae")
    path = tmp_path / "reconstructions.png"
    path.write_text("old")
    drawings = []
    for seed in (3, 3, 4):
        draw_overview(model, faces, [], tmp_path, seed=seed)
        drawings.append(path.read_bytes())
    assert drawings[0] == drawings[1]
    assert drawings[0] != drawings[2]  # other noise
    assert list(tmp_path.iterdir()) == [path]
