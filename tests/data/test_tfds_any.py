"""Any set of images of TFDS: small sets with the features of celeb_a, dsprites and smallnorb."""

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import load
from vsc_jax.data import tfds as ours

RNG = np.random.default_rng(0)
FACES = RNG.integers(0, 256, (9, 12, 10, 3), np.uint8)
SPRITES = RNG.integers(0, 2, (20, 8, 8), np.uint8) * np.uint8(255)
TOYS = RNG.integers(0, 256, (6, 8, 8), np.uint8)


def png(image: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    file.seek(0)
    return file


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set of the features and splits that a subclass names."""

    VERSION = tfds.core.Version("2.0.1")
    FEATURES: ClassVar[dict[str, Any]]
    SPLITS: ClassVar[dict[str, list[Any]]]

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.FEATURES))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(examples) for split, examples in self.SPLITS.items()}

    def _generate_examples(self, examples: list[Any]) -> Any:
        yield from enumerate(examples)


class TinyCeleb(Tiny, skip_registration=True):
    """As celeb_a: colour images, attributes inside a feature, three splits."""

    FEATURES: ClassVar = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "landmarks": {"nose_x": np.int64, "nose_y": np.int64},
        "attributes": {"Bald": np.bool_, "Male": np.bool_},
    }
    EXAMPLES: ClassVar = [
        {
            "image": png(image),
            "landmarks": {"nose_x": number, "nose_y": -number},
            "attributes": {"Bald": number % 2 == 0, "Male": number % 3 == 0},
        }
        for number, image in enumerate(FACES)
    ]
    SPLITS: ClassVar = {"train": EXAMPLES[:5], "validation": EXAMPLES[5:7], "test": EXAMPLES[7:]}


class TinySprites(Tiny, skip_registration=True):
    """As dsprites: one split, every factor as a number and as a class, pixels of 0 and 1."""

    FEATURES: ClassVar = {
        "image": tfds.features.Image(shape=(8, 8, 1)),
        "id": tfds.features.Text(),
        "label_shape": tfds.features.ClassLabel(names=["square", "heart"]),
        "value_x": np.float32,
    }
    SPLITS: ClassVar = {
        "train": [
            {"image": png(image // 255), "id": f"{n}", "label_shape": n % 2, "value_x": n / 8}
            for n, image in enumerate(SPRITES)
        ]
    }


class TinyNorb(Tiny, skip_registration=True):
    """As smallnorb: two images an example."""

    FEATURES: ClassVar = {
        "image": tfds.features.Image(shape=(8, 8, 1)),
        "image2": tfds.features.Image(shape=(8, 8, 1)),
        "label_category": tfds.features.ClassLabel(num_classes=5),
        "label_azimuth": tfds.features.ClassLabel(num_classes=18),
    }
    EXAMPLES: ClassVar = [
        {"image": png(toy), "image2": png(255 - toy), "label_category": n % 5, "label_azimuth": 2 * n}
        for n, toy in enumerate(TOYS)
    ]
    SPLITS: ClassVar = {"train": EXAMPLES[:4], "test": EXAMPLES[4:]}


class TinyText(Tiny, skip_registration=True):
    """No images at all."""

    FEATURES: ClassVar = {"text": tfds.features.Text(), "label": np.int64}
    SPLITS: ClassVar = {"train": [{"text": "a", "label": 0}], "test": [{"text": "b", "label": 1}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for builder in (TinyCeleb, TinySprites, TinyNorb, TinyText):
        builder(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def section(root: Path, name: str, **options: Any) -> DataConfig:
    return DataConfig(name=f"tfds:{name}", directory=root, **options)


def by_pixels(x: np.ndarray, rows: Any) -> dict[bytes, Any]:
    return {image.tobytes(): row for image, row in zip(x, rows, strict=True)}


def test_factors_inside_other_features_are_carried(root: Path) -> None:
    dataset = load(section(root, "tiny_celeb"))
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((5, 12, 10, 3), (2, 12, 10, 3))
    assert dataset.factor_names == (
        "attributes/Bald",
        "attributes/Male",
        "landmarks/nose_x",
        "landmarks/nose_y",
    )
    assert dataset.train.factors is not None
    assert dataset.train.labels is None
    expected = {FACES[n].tobytes(): (n % 2 == 0, n % 3 == 0, n, -n) for n in range(5)}
    assert by_pixels(dataset.train.x, map(tuple, dataset.train.factors.tolist())) == expected
    assert dataset.name == "tiny_celeb"
    assert dataset.description == (
        "tiny_celeb 2.0.1 as TFDS prepares it: 5 training and 2 test images of 12 x 10 x 3, colour values, "
        "not binarised."
    )


def test_a_factor_can_be_the_label(root: Path) -> None:
    dataset = load(section(root, "tiny_celeb", label="attributes/Male"))
    assert dataset.label_names == ("no", "yes")
    assert "attributes/Male" not in dataset.factor_names
    assert dataset.train.labels is not None
    expected = {FACES[n].tobytes(): int(n % 3 == 0) for n in range(5)}
    assert by_pixels(dataset.train.x, dataset.train.labels.tolist()) == expected


def test_images_are_cropped_resized_and_made_grey(root: Path) -> None:
    dataset = load(section(root, "tiny_celeb", crop=8, resize=4, colour="grey"))
    assert dataset.train.x.shape == (5, 4, 4)
    cropped = load(section(root, "tiny_celeb", crop=8))
    images = {image.tobytes() for image in cropped.train.x}
    assert images == {face[2:10, 1:9].tobytes() for face in FACES[:5]}


def test_a_single_split_is_held_out_by_seed_with_its_factors(root: Path) -> None:
    dataset = load(section(root, "tiny_sprites", label="label_shape", test_fraction=0.25))
    assert (len(dataset.train), len(dataset.test)) == (15, 5)
    assert dataset.label_names == ("square", "heart")
    assert dataset.factor_names == ("value_x",)
    assert "test examples held out at random (seed 0)" in dataset.description
    found = {}
    for split in (dataset.train, dataset.test):
        assert split.labels is not None
        assert split.factors is not None
        found |= by_pixels(split.x, zip(split.labels.tolist(), split.factors[:, 0].tolist(), strict=True))
    assert found == {image.tobytes(): (n % 2, n / 8) for n, image in enumerate(SPRITES)}
    other = load(section(root, "tiny_sprites", test_fraction=0.25, seed=1))
    assert (other.test.x != dataset.test.x).any()


def test_pixels_of_0_and_1_are_black_and_white_also_when_they_are_resized(root: Path) -> None:
    whole = load(section(root, "tiny_sprites"))
    assert set(np.unique(whole.train.x)) == {0, 255}
    small = load(section(root, "tiny_sprites", resize=4))
    assert small.train.x.mean() == pytest.approx(whole.train.x.mean(), abs=8)
    coloured = load(section(root, "tiny_sprites", colour="rgb"))
    np.testing.assert_array_equal(coloured.train.x[..., 2], whole.train.x)


@pytest.mark.parametrize(
    ("name", "label", "factors"),
    [("dsprites", "label_shape", 9), ("smallnorb", "label_category", 4), ("celeb_a", None, 51)],
)
def test_features_of_the_real_sets_are_understood(name: str, label: str | None, factors: int) -> None:
    features = tfds.builder(name).info.features
    columns = ours._columns(ours._leaves(features), DataConfig(label=label), Path(name))
    assert (columns.image, columns.label, len(columns.factors)) == ("image", label, factors)


def test_the_second_image_can_be_asked_for(root: Path) -> None:
    first, second = (load(section(root, "tiny_norb", image=name)) for name in (None, "image2"))
    np.testing.assert_array_equal(second.train.x, 255 - first.train.x)
    assert first.factor_names == ("label_azimuth", "label_category")


def test_only_as_many_records_are_decoded_as_are_asked_for(root: Path) -> None:
    few = load(section(root, "tiny_celeb", train_examples=2, test_examples=1))
    assert (len(few.train), len(few.test)) == (2, 1)
    whole = load(section(root, "tiny_celeb"))
    np.testing.assert_array_equal(few.train.x, whole.train.sample(2, seed=0).x)
    other = load(section(root, "tiny_celeb", train_examples=2, test_examples=1, seed=1))
    np.testing.assert_array_equal(other.train.x, whole.train.sample(2, seed=1).x)
    assert (other.train.x != few.train.x).any()
    sprites = load(section(root, "tiny_sprites", train_examples=6, test_examples=3, test_fraction=0.4))
    assert len(sprites.train) + len(sprites.test) <= 9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tiny_norb", {"image": "picture"}, r"data.image: expected one of .* \(image, image2\), got picture"),
        ("tiny_text", {}, r"data.image: expected one of .* \(there are none\), got none"),
        (
            "tiny_sprites",
            {"label": "value_x"},
            "expected one of the features label_shape, got value_x",
        ),
        ("tiny_sprites", {"label": "id"}, "data.label: expected one of the features label_shape, got id"),
        ("tiny_celeb", {"crop": 11}, "expected at least 11 x 11 pixels for data.crop, got 12 x 10"),
    ],
)
def test_features_that_do_not_suit_are_named(root: Path, name: str, options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(section(root, name, **options))
    assert str(caught.value).startswith(str(root / name))
    assert "\n" not in str(caught.value)


def test_a_version_is_read_and_one_that_is_not_there_is_named(root: Path) -> None:
    assert len(load(section(root, "tiny_norb:2.0.1")).train) == 4
    with pytest.raises(UserError, match=f"^{root}/tiny_norb/1.0.0: no prepared tiny_norb there"):
        load(section(root, "tiny_norb:1.0.0"))


@pytest.mark.parametrize("name", ["", "../etc", "a:b", "a/b/c", "/etc"])
def test_names_are_checked(root: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"^data.name: expected tfds:NAME or tfds:NAME:1.2.3, got 'tfds:"):
        load(section(root, name))


def test_sets_larger_than_memory_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsc_jax.data.limits.machine_memory", lambda: 100)
    with pytest.raises(UserError, match="tiny_norb/2.0.1: 4 images of the train split would take 0.0 GB"):
        load(section(root, "tiny_norb"))
