import subprocess
import sys

import numpy as np
import pytest

from tests.refused import assert_refused
from vsc_jax.config import DataConfig
from vsc_jax.data import Dataset, Split, load, smiley
from vsc_jax.models import scaling


def test_smiley_is_the_default_and_carries_its_factors():
    assert smiley.EXAMPLES == {"train": 100_000, "test": 5_000}
    dataset = load(DataConfig(train_examples=50, test_examples=30))
    assert dataset.train.x.shape == (50, 32, 32)
    assert set(np.unique(dataset.train.x)) == {0, 255}
    assert dataset.test.factors.shape == dataset.test.presence.shape == (30, 18)
    drawn = smiley.render(dataset.test.presence, dataset.test.factors)
    np.testing.assert_array_equal(drawn * 255, dataset.test.x)
    assert dataset.factor_names == smiley.FACTORS
    assert dataset.description == (
        "Smiley drawn from seed 0 with attribute presence 0.5: "
        "50 training and 30 test images of 32 x 32, binary pixels."
    )


def test_smiley_follows_its_options():
    small = load(DataConfig(train_examples=40, test_examples=10, image_size=28))
    large = load(DataConfig(train_examples=60, test_examples=10))
    np.testing.assert_array_equal(small.train.x, smiley.crop(large.train.x)[:40])
    assert (large.train.x[:10] != large.test.x).any()
    other = load(DataConfig(train_examples=60, test_examples=10, seed=1))
    assert (other.train.x != large.train.x).any()


def test_path_goes_before_name(tmp_path):
    np.save(tmp_path / "x.npy", np.full((10, 4), 7.5))
    dataset = load(DataConfig(path=tmp_path / "x.npy", name="mnist", test_fraction=0.3))
    assert dataset.description == (
        "x.npy, test examples held out at random (seed 0): "
        "7 training and 3 test vectors of 4 values, values as given."
    )


def test_prepared_sets_are_read_from_the_directory_and_cut(tiny_mnist):
    dataset = load(DataConfig(name="mnist", directory=tiny_mnist.root, train_examples=5, test_examples=21))
    np.testing.assert_array_equal(dataset.train.x, tiny_mnist.images["train"][:5])
    np.testing.assert_array_equal(dataset.train.labels, tiny_mnist.labels["train"][:5])
    assert isinstance(dataset.train.x, np.memmap)
    assert dataset.description == (
        "MNIST 3.0.1 as TFDS prepares it: "
        "5 training and 20 test images of 28 x 28, grey pixels, not binarized."
    )


def test_static_binarization_is_one_draw_of_the_seed_and_dynamic_left_to_who_takes_the_batch(tiny_mnist):
    def both(binarize="static", **options):
        dataset = load(DataConfig(name="mnist", directory=tiny_mnist.root, binarize=binarize, **options))
        words = f"binarized once (seed {options.get('seed', 0)})"
        assert (words if binarize == "static" else "binarized anew at every draw") in dataset.description
        return np.concatenate([dataset.train.x, dataset.test.x])

    one, same, other, grey = both(), both(), both(seed=1), both("dynamic")
    assert set(np.unique(one)) == {0, 255}
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    np.testing.assert_array_equal(both(train_examples=7)[:7], one[:7])
    np.testing.assert_array_equal(
        grey, np.concatenate([tiny_mnist.images["train"], tiny_mnist.images["test"]])
    )
    assert one.mean() == pytest.approx(grey.mean(), abs=5 * 128 / grey.size**0.5)


NAMES = "data.name: expected smiley, mnist, fashion_mnist, uci_har or tfds:NAME, got"


@pytest.mark.parametrize(("options", "message"), [
    ({"name": "Fashion-MNST"}, f"{NAMES} 'Fashion-MNST'; did you mean fashion_mnist\\?$"),
    ({"name": "zzz"}, f"{NAMES} 'zzz'$"),
    ({"train_examples": 2**31 - 1}, "data.train_examples, data.test_examples: the examples do not fit"),
    ({"value": 7.5, "binarize": "static"}, r"x.npy: expected values in \[0, 1\] for data.binarize stati"),
    ({"value": 7.5, "binarize": "dynamic"}, r"x.npy: expected values in \[0, 1\] for data.binarize dyna"),
    ({"value": 0.5, "binarize": "static", "scaling": "unit"},
     "data.scaling: expected none with data.binarize static, got unit$"),
])  # fmt: skip
def test_sections_that_do_not_suit_are_named(options, message, tmp_path):
    options = dict(options)
    if "value" in options:
        np.save(tmp_path / "x.npy", np.full((10, 4), options.pop("value")))
        options["path"] = tmp_path / "x.npy"
    assert_refused(f"^{message}", load, DataConfig(**options))


@pytest.mark.parametrize("own", [True, False])
def test_a_subset_of_data_sorted_by_class_has_all_classes(own, tmp_path):
    y = np.repeat(np.arange(10), 100)
    x = y[:, None] + np.zeros((1000, 4), np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    config = DataConfig(path=tmp_path / "x.npz" if own else None, train_examples=300, test_examples=60)
    dataset = load(config, None if own else (x, y))
    for split, n in ((dataset.train, 300), (dataset.test, 60)):
        assert len(split) == n
        np.testing.assert_array_equal(split.x[:, 0], split.labels)
        assert (abs(np.bincount(split.labels) - n / 10) < 4 * (n * 0.09) ** 0.5).all()
        assert (np.diff(split.labels) >= 0).all()
    assert dataset.notes == ()


def test_a_subset_without_some_classes_says_so():
    y = np.repeat(np.arange(10), [991, *[1] * 9])
    dataset = load(DataConfig(train_examples=5), (np.zeros((1000, 4), np.float32), y))
    classes = "9 of 10 classes: 1, 2, 3, 4, 5, ..."
    assert dataset.notes == (f"data.train_examples 5 leaves no example of {classes}",)


@pytest.mark.parametrize(("kind", "words"), [("unit", "scaled to [0, 1]"), ("standardize", "standardized")])
def test_scaling_is_taken_from_the_training_examples_that_are_used(kind, words, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.normal(5, 3, (30, 4)), x_test=rng.normal(90, 3, (10, 4)))
    dataset = load(DataConfig(path=tmp_path / "x.npz", scaling=kind, train_examples=20))
    assert dataset.scaling == scaling.fit(kind, dataset.train.x)
    assert dataset.train.x.mean() == pytest.approx(5, abs=1)
    assert dataset.description.endswith(f"20 training and 10 test vectors of 4 values, values {words}.")


def test_importing_the_data_room_is_light():
    heavy = ("tensorflow_datasets", "PIL", "array_record", "pyarrow")
    code = f"import sys, vsc_jax.data; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_data_set_is_taken_as_it_is_and_own_data_as_the_section_says():
    x = np.arange(24, dtype=np.float32).reshape(8, 3) / 24
    dataset = Dataset("mine", Split(x), Split(x))
    assert load(DataConfig(scaling="unit"), dataset) is dataset
    assert load(DataConfig(scaling="standardize"), x).description.endswith("values standardized.")
    binary = load(DataConfig(binarize="static"), x)
    assert (binary.train.x.dtype, set(np.unique(binary.train.x))) == (np.float32, {0, 1})
