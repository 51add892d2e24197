"""A folder of images as a data set."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsc_jax.config import DataConfig
from vsc_jax.data import load
from vsc_jax.errors import UserError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 8), np.uint8)


def saved(folder: Path, images: np.ndarray, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, first):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


def test_a_flat_folder_is_one_set_in_the_order_of_names(tmp_path: Path) -> None:
    saved(tmp_path / "faces", GREY)
    (tmp_path / "faces" / "notes.txt").write_text("not an image")
    (tmp_path / "faces" / ".hidden.png").write_bytes(b"neither")
    dataset = load(DataConfig(path=tmp_path / "faces", test_fraction=0.34))
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((4, 8, 8), (2, 8, 8))
    both = np.concatenate([dataset.train.x, dataset.test.x])
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in GREY)
    assert dataset.train.labels is None
    assert dataset.name == "faces"


def test_folders_in_it_are_classes(tmp_path: Path) -> None:
    saved(tmp_path / "cats", GREY[:4])
    saved(tmp_path / "bees", GREY[4:])
    dataset = load(DataConfig(path=tmp_path))
    assert dataset.label_names == ("bees", "cats")
    bees = {image.tobytes() for image in GREY[4:]}
    for split in (dataset.train, dataset.test):
        assert split.labels is not None
        assert [image.tobytes() in bees for image in split.x] == (split.labels == 0).tolist()


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    for split, images in (("train", GREY[:4]), ("test", GREY[4:])):
        saved(tmp_path / split / "a", images[:1])
        saved(tmp_path / split / "b", images[1:], first=1)
    dataset = load(DataConfig(path=tmp_path))
    np.testing.assert_array_equal(dataset.train.x, GREY[:4])
    np.testing.assert_array_equal(dataset.test.x, GREY[4:])
    assert dataset.test.labels is not None
    assert dataset.test.labels.tolist() == [0, 1]


def test_one_coloured_image_makes_all_colour_unless_grey_is_asked_for(tmp_path: Path) -> None:
    saved(tmp_path, GREY[:3])
    saved(tmp_path, RNG.integers(0, 256, (1, 8, 8, 3), np.uint8), first=3)
    assert load(DataConfig(path=tmp_path)).example_shape == (8, 8, 3)
    assert load(DataConfig(path=tmp_path, colour="grey")).example_shape == (8, 8)


def test_crop_takes_the_middle_and_resize_keeps_the_proportions(tmp_path: Path) -> None:
    image = np.zeros((8, 12), np.uint8)
    image[2:6, 4:8] = 255
    saved(tmp_path, np.stack([image, image]))
    cropped = load(DataConfig(path=tmp_path, crop=4))
    np.testing.assert_array_equal(cropped.train.x[0], np.full((4, 4), 255))
    resized = load(DataConfig(path=tmp_path, resize=4)).train.x[0]
    assert resized.shape == (4, 4)  # of the 8 x 8 in the middle
    assert resized[1:3, 1:3].min() > 200
    assert resized[0, 0] < 50
    both = load(DataConfig(path=tmp_path, crop=4, resize=2))
    np.testing.assert_array_equal(both.train.x[0], np.full((2, 2), 255))


def test_images_of_different_sizes_are_refused_unless_resized(tmp_path: Path) -> None:
    saved(tmp_path, GREY[:2])
    saved(tmp_path, RNG.integers(0, 256, (1, 9, 7), np.uint8), first=2)
    with pytest.raises(UserError) as caught:
        load(DataConfig(path=tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/002.png: expected 8 x 8 pixels as 000.png has, got 9 x 7 pixels;"
        " data.resize brings images to one size"
    )
    assert load(DataConfig(path=tmp_path, resize=6)).example_shape == (6, 6)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_files_that_are_no_images_are_named(content: bytes | None, tmp_path: Path) -> None:
    saved(tmp_path, GREY[:2])
    bad = tmp_path / "001.png"
    bad.write_bytes(bad.read_bytes()[:60] if content is None else content)
    for colour in ("auto", "grey"):
        with pytest.raises(UserError, match=f"^{bad}: cannot be read as an image") as caught:
            load(DataConfig(path=tmp_path, colour=colour))
        assert "\n" not in str(caught.value)


def test_an_image_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(
        UserError, match=r"bomb.png: cannot be read as an image \(Image size \(3600000000 pixels\)"
    ):
        load(DataConfig(path=tmp_path))


def test_empty_and_mixed_folders_are_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{tmp_path}: expected images .*, found none$"):
        load(DataConfig(path=tmp_path))
    saved(tmp_path / "cats", GREY[:2])
    saved(tmp_path, GREY[2:])
    with pytest.raises(UserError, match="expected images in folders of classes or without, found both$"):
        load(DataConfig(path=tmp_path))


def test_a_crop_larger_than_an_image_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, GREY[:2])
    with pytest.raises(UserError, match="expected at least 9 x 9 pixels for data.crop, got 8 x 8"):
        load(DataConfig(path=tmp_path, crop=9))


def test_more_than_8_bits_are_refused_not_cut_off(tmp_path: Path) -> None:
    saved(tmp_path, np.full((2, 4, 4), 1000, np.uint16))
    with pytest.raises(UserError, match="000.png: expected 8 bits a channel, got an image of mode I;16"):
        load(DataConfig(path=tmp_path))


def test_more_images_than_memory_are_refused(tmp_path: Path, monkeypatch) -> None:
    saved(tmp_path, GREY)
    monkeypatch.setattr("vsc_jax.data.memory.machine_memory", lambda: 200)
    with pytest.raises(
        UserError, match=f"^{tmp_path}: 6 images would take 0.0 GB, more than .* data.resize makes"
    ):
        load(DataConfig(path=tmp_path))
