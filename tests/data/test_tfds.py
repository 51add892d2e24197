import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import tfds

# The official sets, in the order in which TFDS stores them: counts of the classes, first labels,
# mean pixel and first class name.
OFFICIAL = {
    "mnist": (
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        [4, 1, 0, 7, 8, 1, 2, 7, 1, 6],
        [2, 0, 4, 8, 7, 6, 0, 6, 3, 1],
        33.318,
        "0",
    ),
    "fashion_mnist": (
        [6000] * 10,
        [1000] * 10,
        [2, 1, 8, 4, 1, 9, 2, 2, 0, 2],
        [4, 4, 9, 7, 5, 1, 0, 5, 7, 4],
        72.940,
        "T-shirt/top",
    ),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_sets_are_complete(name: str, test_data: Path) -> None:
    train_counts, test_counts, first_train, first_test, mean, first_name = OFFICIAL[name]
    dataset = tfds.load_tfds(DataConfig(name=name, directory=test_data / "tfds"))
    assert dataset.train.x.shape == (60_000, 28, 28)
    assert dataset.test.x.shape == (10_000, 28, 28)
    assert dataset.train.x.dtype == np.uint8
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    assert dataset.train.labels.dtype == np.int32
    assert np.bincount(dataset.train.labels).tolist() == train_counts
    assert np.bincount(dataset.test.labels).tolist() == test_counts
    assert dataset.train.labels[:10].tolist() == first_train
    assert dataset.test.labels[:10].tolist() == first_test
    assert dataset.train.x.mean() == pytest.approx(mean, abs=1e-3)
    assert len(dataset.label_names) == 10
    assert dataset.label_names[0] == first_name


def test_images_labels_and_names_are_those_in_the_files(tiny_mnist) -> None:
    dataset = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    for split in ("train", "test"):
        part = getattr(dataset, split)
        np.testing.assert_array_equal(part.x, tiny_mnist.images[split])
        np.testing.assert_array_equal(part.labels, tiny_mnist.labels[split])
        assert part.labels.dtype == np.int32
    assert dataset.label_names == tuple("0123456789")
    assert dataset.description == "MNIST 3.0.1 as TFDS prepares it"


def test_decoding_agrees_with_that_of_tfds(tiny_mnist) -> None:
    import tensorflow_datasets

    builder = tensorflow_datasets.builder_from_directory(tiny_mnist.folder)
    theirs = builder.as_data_source(split="train")
    ours = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root)).train
    for row in (0, 17, 39):
        np.testing.assert_array_equal(ours.x[row], theirs[row]["image"][..., 0])


def test_second_load_decodes_nothing(tiny_mnist, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    monkeypatch.setattr(tfds, "_decode", None)
    second = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    assert isinstance(second.train.x, np.memmap)
    np.testing.assert_array_equal(first.train.x, second.train.x)
    assert second.label_names == first.label_names


def test_changed_source_is_decoded_again(tiny_mnist, cache_folder: Path) -> None:
    tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    train, test = sorted(tiny_mnist.folder.glob("*array_record*"), reverse=True)
    shutil.copyfile(test, train)
    info = json.loads((tiny_mnist.folder / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"] = ["20"]
    (tiny_mnist.folder / "dataset_info.json").write_text(json.dumps(info))
    dataset = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    np.testing.assert_array_equal(dataset.train.x, tiny_mnist.images["test"])
    assert len(list(cache_folder.iterdir())) == 2


def test_folder_comes_from_the_option_then_the_environment_then_the_home(
    tiny_mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=f"^{tmp_path}/tensorflow_datasets/mnist: no prepared MNIST"):
        tfds.load_tfds(DataConfig(name="mnist"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny_mnist.root))
    assert len(tfds.load_tfds(DataConfig(name="mnist")).train) == 40
    with pytest.raises(UserError, match=f"^{tmp_path}/other/mnist: no prepared MNIST"):
        tfds.load_tfds(DataConfig(name="mnist", directory=tmp_path / "other"))


def test_labels_without_a_class_are_named(tiny_mnist) -> None:
    described = tiny_mnist.folder / "features.json"
    described.write_text(described.read_text().replace('"numClasses": "10"', '"numClasses": "5"'))
    row = int(np.argmax(tiny_mnist.labels["train"] > 4))
    label = tiny_mnist.labels["train"][row]
    message = f"example {row} of the train split: label: expected a class from 0 to 4, got {label}$"
    with pytest.raises(UserError, match=message):
        tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))


def test_newest_version_is_read(tiny_mnist) -> None:
    for version in ("3.0.0", "2.10.0"):
        shutil.copytree(tiny_mnist.folder, tiny_mnist.folder.parent / version)
    (tiny_mnist.folder.parent / "3.0.2.incompleteABC").mkdir()
    (tiny_mnist.folder.parent / "9.0.0").mkdir()
    dataset = tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    assert dataset.description.startswith("MNIST 3.0.1 ")


def test_without_tensorflow_the_error_says_what_to_install_or_where_to_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        tfds.load_tfds(DataConfig(name="fashion_mnist", directory=tmp_path))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/fashion_mnist: no prepared Fashion-MNIST there")
    for part in ("pip install tensorflow", "--data.directory", "TFDS_DATA_DIR"):
        assert part in message
    assert "\n" not in message


def test_with_tensorflow_the_set_is_prepared(
    tiny_mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow_datasets

    class Builder:
        def __init__(self, name: str, data_dir: Path, file_format: str) -> None:
            assert file_format == "array_record"
            self.target = data_dir / name

        def download_and_prepare(self) -> None:
            shutil.copytree(tiny_mnist.folder.parent, self.target)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorflow_datasets, "builder", Builder)
    assert len(tfds.load_tfds(DataConfig(name="mnist", directory=tmp_path / "new")).train) == 40


def test_preparation_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets

    def offline(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorflow_datasets, "builder", offline)
    with pytest.raises(UserError, match=r"could not prepare MNIST \(ConnectionError: no network\)$"):
        tfds.load_tfds(DataConfig(name="mnist", directory=tmp_path))


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    # Inside the records of the first chunks, which a hash covers.
    return content[:500] + bytes(byte ^ 0xFF for byte in content[500:600]) + content[600:]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda content: b"", lambda content: bytes(100_000)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_damaged_records_name_the_file(damage, split: str, tiny_mnist, cache_folder: Path) -> None:
    path = tiny_mnist.folder / f"mnist-{split}.array_record-00000-of-00001"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError) as caught:
        tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
    assert str(caught.value).startswith(f"{path}: cannot be read as the {split} split")
    assert "\n" not in str(caught.value)
    assert not cache_folder.exists()


def test_missing_records_name_the_folder(tiny_mnist) -> None:
    (tiny_mnist.folder / "mnist-test.array_record-00000-of-00001").unlink()
    with pytest.raises(UserError, match=f"^{tiny_mnist.folder}: cannot be read as the test split"):
        tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))


@pytest.mark.parametrize("file", ["dataset_info.json", "features.json"])
def test_damaged_description_names_the_folder(file: str, tiny_mnist) -> None:
    (tiny_mnist.folder / file).write_text("{")
    with pytest.raises(UserError, match=f"^{tiny_mnist.folder}: cannot be read as a TFDS set"):
        tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))


def test_other_record_format_is_named(tiny_mnist) -> None:
    info = tiny_mnist.folder / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(UserError, match=r"expected ArrayRecord files, got tfrecord; .*tfds build mnist"):
        tfds.load_tfds(DataConfig(name="mnist", directory=tiny_mnist.root))
