import importlib.util
import json
import shutil
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow_datasets
from tensorflow_datasets.core.features import ClassLabel, Image, Text

import vsc_jax.data.tfds_builders  # noqa: F401, which makes the two names known
from tests.data import har
from tests.data.prepared import png, tiny
from tests.refused import assert_refused, error_of
from vsc_jax.config import DataConfig
from vsc_jax.data import load, smiley, tfds
from vsc_jax.data.identity import digest
from vsc_jax.data.uci_har import load_uci_har

# The official sets in the order in which TFDS stores them: first class name, digest of pixels and classes.
OFFICIAL = {
    "mnist": ("0", "ed6122d5203fc84c86dc259e54c37249"),
    "fashion_mnist": ("T-shirt/top", "36134a517ce1118b249d3ac0c14de409"),
}
# The first classes of the official files, training and test.
FIRST = {
    "mnist": ([5, 0, 4, 1, 9, 2, 1, 3], [7, 2, 1, 0, 4, 1, 4, 9]),
    "fashion_mnist": ([9, 0, 0, 3, 0, 2, 7, 2], [9, 2, 1, 1, 6, 1, 4, 6]),
}


def mnist(directory, name="mnist"):
    return tfds.load_tfds(DataConfig(name=name, directory=directory))


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_sets_are_complete_and_their_order_is_found_again(name, test_data, decoded, monkeypatch):
    monkeypatch.setenv("VSC_JAX_CACHE", decoded)
    dataset = mnist(test_data / "tfds", name)
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert dataset.train.x.dtype == np.uint8
    assert (dataset.label_names[0], digest(dataset)) == OFFICIAL[name]
    binary = load(DataConfig(name=name, directory=test_data / "tfds", binarize="literature"))
    assert (len(binary.train), len(binary.test)) == (50_000, 10_000)
    for part, first in zip((binary.train, binary.test), FIRST[name], strict=True):
        np.testing.assert_array_equal(part.labels[:8], first)


def test_what_tfds_reads_is_decoded_once(tiny_mnist, monkeypatch):
    for _ in range(2):
        dataset = mnist(tiny_mnist.root)
        for split in ("train", "test"):
            part = getattr(dataset, split)
            np.testing.assert_array_equal(part.x, tiny_mnist.images[split])
            np.testing.assert_array_equal(part.labels, tiny_mnist.labels[split])
            assert (part.labels.dtype, type(part.x)) == (np.int32, np.memmap)
        assert dataset.label_names == tuple("0123456789")
        assert dataset.description == "MNIST 3.0.1 as TFDS prepares it"
        monkeypatch.setattr(tfds, "_decode", None)


def test_changed_source_is_decoded_again(tiny_mnist, cache_folder):
    mnist(tiny_mnist.root)
    train, test = sorted(tiny_mnist.folder.glob("*array_record*"), reverse=True)
    shutil.copyfile(test, train)
    info = json.loads((tiny_mnist.folder / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"] = ["20"]
    (tiny_mnist.folder / "dataset_info.json").write_text(json.dumps(info))
    np.testing.assert_array_equal(mnist(tiny_mnist.root).train.x, tiny_mnist.images["test"])
    assert len(list(cache_folder.iterdir())) == 2


def test_folder_comes_from_the_option_then_the_environment_then_the_home(tiny_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # no TensorFlow
    monkeypatch.setenv("HOME", str(tmp_path))
    missing = "no prepared MNIST there; point --data.directory or TFDS_DATA_DIR .* or pip install tensorflow"
    assert_refused(f"^{tmp_path}/tensorflow_datasets/mnist: {missing}", mnist, None)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny_mnist.root))
    assert len(mnist(None).train) == 40
    assert_refused(f"^{tmp_path}/other/mnist: {missing}", mnist, tmp_path / "other")


def test_newest_version_is_read(tiny_mnist):
    for version in ("3.0.0", "2.10.0"):
        shutil.copytree(tiny_mnist.folder, tiny_mnist.folder.parent / version)
    (tiny_mnist.folder.parent / "3.0.2.incompleteABC").mkdir()
    (tiny_mnist.folder.parent / "9.0.0").mkdir()
    assert mnist(tiny_mnist.root).description.startswith("MNIST 3.0.1 ")


def test_with_tensorflow_the_set_is_prepared_or_why_not_is_said(tiny_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    prepare = Mock()
    monkeypatch.setattr(tensorflow_datasets, "builder", prepare)
    new = tmp_path / "new"
    assert error_of(mnist, new) == (
        f"{new}/mnist: expected a prepared MNIST there, found none; name its configuration"
    )
    prepare.side_effect = ConnectionError("no\nnetwork")
    assert error_of(mnist, new) == f"{new}/mnist: could not prepare MNIST (ConnectionError: no network)"
    prepare.side_effect = lambda *_, **__: shutil.copytree(tiny_mnist.root, new) and Mock()
    assert len(mnist(new).train) == 40
    prepare.assert_called_with("mnist", data_dir=new, file_format="array_record")


def truncated(content):
    return content[: len(content) // 2]


def flipped(content):
    # Inside the records of the first chunks, which a hash covers.
    return content[:500] + bytes(byte ^ 0xFF for byte in content[500:600]) + content[600:]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda content: b"", lambda content: bytes(100_000)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_damaged_records_name_the_file(damage, split, tiny_mnist, cache_folder):
    path = tiny_mnist.folder / f"mnist-{split}.array_record-00000-of-00001"
    path.write_bytes(damage(path.read_bytes()))
    message = error_of(mnist, tiny_mnist.root)
    assert message.startswith(f"{path.parent}: {path.name}: cannot be read as the {split} split")
    assert not cache_folder.exists()


CLASSES = ('"numClasses": "10"', '"numClasses": "5"')


@pytest.mark.parametrize(("name", "change", "message"), [
    ("mnist-test.array_record-00000-of-00001", None, "cannot be read as the test split"),
    ("dataset_info.json", ("{", "["), "cannot be read as a TFDS set"),
    ("features.json", ("{", "["), "cannot be read as a TFDS set"),
    ("dataset_info.json", ("array_record", "tfrecord"), "expected ArrayRecord files, got tfrecord; .*tf"),
    ("dataset_info.json", ('"name": "train"', '"name": "fit"'), "expected a split train, found fit, test$"),
    ("features.json", CLASSES,
     r"example \d of the train split: label: expected a class from 0 to 4, got \d$"),
])  # fmt: skip
def test_damaged_or_unsuitable_sets_name_the_folder(name, change, message, tiny_mnist):
    path = tiny_mnist.folder / name
    path.unlink() if change is None else path.write_text(path.read_text().replace(*change))
    assert_refused(f"^{tiny_mnist.folder}: {message}", mnist, tiny_mnist.root)


RNG = np.random.default_rng(0)
FACES = RNG.integers(0, 256, (9, 12, 10, 3), np.uint8)
SPRITES = RNG.integers(0, 2, (20, 8, 8), np.uint8) * np.uint8(255)
TOYS = RNG.integers(0, 256, (6, 8, 8), np.uint8)


GREY = Image(shape=(8, 8, 1))
CELEB = [
    {
        "image": png(image),
        "landmarks": {"nose_x": number, "nose_y": -number},
        "attributes": {"Bald": number % 2 == 0, "Male": number % 3 == 0},
    }
    for number, image in enumerate(FACES)
]
NORB = [
    {"image": png(toy), "image2": png(255 - toy), "label_category": n % 5, "label_azimuth": 2 * n}
    for n, toy in enumerate(TOYS)
]
SETS = [
    tiny(  # as celeb_a: color images, attributes inside a feature, three splits
        "TinyCeleb",
        {
            "image": Image(shape=(None, None, 3)),
            "landmarks": {"nose_x": np.int64, "nose_y": np.int64},
            "attributes": {"Bald": np.bool_, "Male": np.bool_},
        },
        train=CELEB[:5],
        validation=CELEB[5:7],
        test=CELEB[7:],
    ),
    tiny(  # as dsprites: one split, every factor as a number and as a class, pixels of 0 and 1
        "TinySprites",
        {
            "image": GREY,
            "id": Text(),
            "label_shape": ClassLabel(names=["square", "heart"]),
            "value_x": np.float32,
        },
        train=[
            {"image": png(image // 255), "id": f"{n}", "label_shape": n % 2, "value_x": n / 8}
            for n, image in enumerate(SPRITES)
        ],
    ),
    tiny(  # as smallnorb: two images an example
        "TinyNorb",
        {"image": GREY, "image2": GREY}
        | {f"label_{name}": ClassLabel(num_classes=n) for name, n in (("category", 5), ("azimuth", 18))},
        train=NORB[:4],
        test=NORB[4:],
    ),
    tiny("TinyText", {"text": Text(), "label": np.int64}, train=[{"text": "a", "label": 0}]),
    tiny("TinyDeep", {"image": Image(shape=(8, 8, 1), dtype=np.uint16)}, train=[{"image": png(TOYS[0])}]),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    for builder in SETS:
        builder(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def section(root, name, **options):
    return DataConfig(name=f"tfds:{name}", directory=root, **options)


def by_pixels(x, rows):
    return {image.tobytes(): row for image, row in zip(x, rows, strict=True)}


def test_factors_inside_other_features_are_carried(root):
    dataset = load(section(root, "tiny_celeb"))
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((5, 12, 10, 3), (2, 12, 10, 3))
    names = ("attributes/Bald", "attributes/Male", "landmarks/nose_x", "landmarks/nose_y")
    assert (dataset.name, dataset.factor_names, dataset.train.labels) == ("tiny_celeb", names, None)
    expected = {FACES[n].tobytes(): (n % 2 == 0, n % 3 == 0, n, -n) for n in range(5)}
    assert by_pixels(dataset.train.x, map(tuple, dataset.train.factors.tolist())) == expected
    assert dataset.description == (
        "tiny_celeb 2.0.1 as TFDS prepares it: 5 training and 2 test images of 12 x 10 x 3, color values, "
        "not binarized."
    )


def test_a_factor_can_be_the_label(root):
    dataset = load(section(root, "tiny_celeb", label="attributes/Male"))
    assert dataset.label_names == ("no", "yes")
    assert "attributes/Male" not in dataset.factor_names
    expected = {FACES[n].tobytes(): int(n % 3 == 0) for n in range(5)}
    assert by_pixels(dataset.train.x, dataset.train.labels.tolist()) == expected


def test_images_are_cropped_resized_and_made_grey(root):
    dataset = load(section(root, "tiny_celeb", crop=8, resize=4, color="grey"))
    assert dataset.train.x.shape == (5, 4, 4)
    cropped = load(section(root, "tiny_celeb", crop=8))
    images = {image.tobytes() for image in cropped.train.x}
    assert images == {face[2:10, 1:9].tobytes() for face in FACES[:5]}


def test_a_single_split_is_held_out_by_seed_with_its_factors(root):
    dataset = load(section(root, "tiny_sprites", label="label_shape", test_fraction=0.25))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert dataset.label_names == ("square", "heart")
    assert dataset.factor_names == ("value_x",)
    assert "test examples held out at random (seed 0)" in dataset.description
    found = {}
    for split in (dataset.train, dataset.test):
        found |= by_pixels(split.x, zip(split.labels.tolist(), split.factors[:, 0].tolist(), strict=True))
    assert found == {image.tobytes(): (n % 2, n / 8) for n, image in enumerate(SPRITES)}
    other = load(section(root, "tiny_sprites", test_fraction=0.25, seed=1))
    assert (other.test.x != dataset.test.x).any()


def test_pixels_of_0_and_1_are_black_and_white_also_when_they_are_resized(root):
    whole = load(section(root, "tiny_sprites"))
    assert set(np.unique(whole.train.x)) == {0, 255}
    small = load(section(root, "tiny_sprites", resize=4))
    assert small.train.x.mean() == pytest.approx(whole.train.x.mean(), abs=8)
    coloured = load(section(root, "tiny_sprites", color="rgb"))
    np.testing.assert_array_equal(coloured.train.x[..., 2], whole.train.x)


@pytest.mark.parametrize(("name", "label", "factors"), [
    ("dsprites", "label_shape", 9), ("smallnorb", "label_category", 4), ("celeb_a", None, 51),
])  # fmt: skip
def test_features_of_the_real_sets_are_understood(name, label, factors):
    features = tensorflow_datasets.builder(name).info.features
    image, found, numbers = tfds._columns(tfds._leaves(features), DataConfig(label=label))
    assert (image, found, len(numbers)) == ("image", label, factors)


def test_the_second_image_can_be_asked_for(root):
    first, second = (load(section(root, "tiny_norb", image=name)) for name in (None, "image2"))
    np.testing.assert_array_equal(second.train.x, 255 - first.train.x)
    assert first.factor_names == ("label_azimuth", "label_category")


def test_only_as_many_records_are_decoded_as_are_asked_for(root):
    few = load(section(root, "tiny_celeb", train_examples=2, test_examples=1))
    assert (len(few.train), len(few.test)) == (2, 1)
    whole = load(section(root, "tiny_celeb"))
    np.testing.assert_array_equal(few.train.x, whole.train.sample(2, seed=0).x)
    other = load(section(root, "tiny_celeb", train_examples=2, test_examples=1, seed=1))
    np.testing.assert_array_equal(other.train.x, whole.train.sample(2, seed=1).x)
    assert (other.train.x != few.train.x).any()
    sprites = load(section(root, "tiny_sprites", train_examples=6, test_examples=3, test_fraction=0.4))
    assert len(sprites.train) + len(sprites.test) <= 9


IMAGE = "data.image: expected one of the features with images"
LABEL = "data.label: expected one of the features"


@pytest.mark.parametrize(("name", "options", "message"), [
    ("tiny_norb", {"image": "picture"}, rf"{IMAGE} \(image, image2\), got picture$"),
    ("tiny_text", {}, rf"{IMAGE} \(there are none\), got none$"),
    ("tiny_deep", {}, "image: expected images of uint8, got uint16$"),
    ("tiny_sprites", {"label": "value_x"}, f"{LABEL} label_shape, got value_x$"),
    ("tiny_sprites", {"label": "id"}, f"{LABEL} label_shape, got id$"),
    ("tiny_celeb", {"crop": 11}, ".* expected at least 11 x 11 pixels for data.crop, got 12 x 10$"),
    ("tiny_norb", {"memory": 100}, "4 images of the train split would take 0.0 GB"),
])  # fmt: skip
def test_features_that_do_not_suit_are_named(root, name, options, message, monkeypatch):
    options = dict(options)
    memory = options.pop("memory", 10**9)
    monkeypatch.setattr("vsc_jax.data.files.machine_memory", lambda: memory)
    assert_refused(f"^{root}/{name}/2.0.1: {message}", load, section(root, name, **options))


def test_a_version_is_read_and_one_that_is_not_there_is_named(root):
    assert len(load(section(root, "tiny_norb:2.0.1")).train) == 4
    message = f"^{root}/tiny_norb/1.0.0: no prepared tiny_norb there"
    assert_refused(message, load, section(root, "tiny_norb:1.0.0"))


@pytest.mark.parametrize("name", ["", "../etc", "a:b", "a/b/c", "/etc"])
def test_names_are_checked(root, name):
    message = "^data.name: expected tfds:NAME or tfds:NAME:1.2.3, got 'tfds:"
    assert_refused(message, load, section(root, name))


# Smiley and UCI HAR through TFDS, prepared without TensorFlow


def test_the_faces_are_those_of_the_data_section_with_what_made_them(tmp_path, monkeypatch):
    monkeypatch.setattr(smiley, "EXAMPLES", {"train": 30, "test": 10})
    source = tensorflow_datasets.data_source("smiley", data_dir=tmp_path)
    assert {split: len(examples) for split, examples in source.items()} == {"train": 30, "test": 10}
    for example in source["test"]:
        image = smiley.render(example["presence"][None], example["values"][None])[0]
        np.testing.assert_array_equal(example["image"][..., 0], image * 255)
    through_tfds = load(DataConfig(name="tfds:smiley", directory=tmp_path))
    drawn = load(DataConfig(name="smiley", train_examples=30, test_examples=10))
    for split in ("train", "test"):
        ours, theirs = getattr(drawn, split).x, getattr(through_tfds, split).x
        assert sorted(image.tobytes() for image in ours) == sorted(image.tobytes() for image in theirs)
    assert "tensorflow" not in sys.modules


def test_windows_are_those_of_the_archive(tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    path = har.archive(manual / "uci_har.zip", har.files())
    options = {"download_config": tensorflow_datasets.download.DownloadConfig(manual_dir=manual)}
    source = tensorflow_datasets.data_source(
        "uci_har", data_dir=tmp_path / "tfds", download_and_prepare_kwargs=options
    )
    features, signals = load_uci_har(path).test, load_uci_har(path, "signals").test
    rows = {window.tobytes(): row for row, window in enumerate(features.x)}
    assert len(source["test"]) == len(rows)
    for example in source["test"]:
        row = rows[example["features"].tobytes()]
        np.testing.assert_array_equal(example["signals"], signals.x[row])
        assert example["label"] == features.labels[row]
        assert example["subject"] == features.subjects[row]
