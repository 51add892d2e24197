"""A folder of images as a data set."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.refused import assert_refused, error_of
from vsc_jax.config import DataConfig
from vsc_jax.data import load

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 8), np.uint8)


def saved(folder, images, first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, first):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


def read(path, **options):
    return load(DataConfig(path=path, **options))


def test_a_flat_folder_is_one_set_in_the_order_of_names(tmp_path):
    faces = saved(tmp_path / "faces", GREY)
    (faces / ".hidden.png").write_bytes(b"no image")
    dataset = read(faces, test_fraction=0.34)
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((4, 8, 8), (2, 8, 8))
    both = np.concatenate([dataset.train.x, dataset.test.x])
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in GREY)
    assert (dataset.name, dataset.train.labels, dataset.notes) == ("faces", None, ())


def test_folders_in_it_are_classes(tmp_path):
    saved(tmp_path / "cats", GREY[:4])
    saved(tmp_path / "bees", GREY[4:])
    dataset = read(tmp_path)
    assert (dataset.label_names, dataset.notes) == (("bees", "cats"), ("y: 2 classes, bees, cats",))
    bees = {image.tobytes() for image in GREY[4:]}
    for split in (dataset.train, dataset.test):
        assert [image.tobytes() in bees for image in split.x] == (split.labels == 0).tolist()


def test_one_colored_image_makes_all_color_unless_grey_is_asked_for(tmp_path):
    saved(tmp_path, GREY[:3])
    saved(tmp_path, RNG.integers(0, 256, (1, 8, 8, 3), np.uint8), first=3)
    assert read(tmp_path).example_shape == (8, 8, 3)
    assert read(tmp_path, color="grey").example_shape == (8, 8)


def test_crop_takes_the_middle_and_resize_keeps_the_proportions(tmp_path):
    image = np.zeros((8, 12), np.uint8)
    image[2:6, 4:8] = 255
    saved(tmp_path, np.stack([image, image]))
    np.testing.assert_array_equal(read(tmp_path, crop=4).train.x[0], np.full((4, 4), 255))
    resized = read(tmp_path, resize=4).train.x[0]
    assert resized.shape == (4, 4)  # of the 8 x 8 in the middle
    assert resized[1:3, 1:3].min() > 200 > 50 > resized[0, 0]
    np.testing.assert_array_equal(read(tmp_path, crop=4, resize=2).train.x[0], np.full((2, 2), 255))


def test_images_of_different_sizes_are_refused_unless_resized(tmp_path):
    saved(tmp_path, GREY[:2])
    saved(tmp_path, RNG.integers(0, 256, (1, 9, 7), np.uint8), first=2)
    assert error_of(read, tmp_path) == (
        f"{tmp_path}/002.png: expected 8 x 8 pixels as 000.png has, got 9 x 7 pixels;"
        " data.resize makes them alike"
    )
    assert read(tmp_path, resize=6).example_shape == (6, 6)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_files_that_are_no_images_are_named(content, tmp_path):
    bad = saved(tmp_path, GREY[:2]) / "001.png"
    bad.write_bytes(bad.read_bytes()[:60] if content is None else content)
    for color in ("auto", "grey"):
        assert_refused(f"^{bad}: cannot be read as an image", read, tmp_path, color=color)


def png(path, head, content):
    """A PNG file by hand: width, height, bits and kind of color, and the rows."""
    header = struct.pack(">IIBBBBB", *head, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(content)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def deep(color_type, channels):
    rows = b"".join(b"\0" + struct.pack(">H", 4000) * 4 * channels for _ in range(4))
    return lambda path: png(path / "000.png", (4, 4, 16, color_type), rows)  # Pillow reduces it by itself


def pages(suffix):
    images = [Image.fromarray(image) for image in GREY]
    return lambda path: images[0].save(path / f"000.{suffix}", save_all=True, append_images=images[1:])


def folders(**images):
    return lambda path: [saved(path / name.replace("_", "/"), GREY[:n]) for name, n in images.items()]


PARTS = "one folder train and one folder test or val, or folders of classes with other names, found "


@pytest.mark.parametrize(
    ("write", "options", "message"),
    [
        (lambda path: saved(path, GREY), {"crop": 9}, "/000.png: expected at least 9 x 9 pixels for data.cr"),
        (lambda path: saved(path, np.full((2, 4, 4), 999, np.uint16)), {}, "/000.png: expected 8 bits .* mo"),
        (deep(2, 3), {}, "/000.png: expected 8 bits a channel, got 16$"),
        (deep(4, 2), {}, "/000.png: expected 8 bits a channel, got 16$"),
        *(
            (pages(suffix), {}, f"/000.{suffix}: expected one picture, got 6 pages or frames; save each as")
            for suffix in ("tif", "gif", "png", "webp")
        ),
        (lambda path: png(path / "a.png", (60_000, 60_000, 8, 2), b""), {}, r"/a.png: .* \(Image size \(360"),
        (lambda path: saved(path, 0 * GREY), {}, ": x: expected images, got nothing but 0$"),
        (lambda path: saved(path, [GREY.reshape(16, 24)] * 2), {}, ": 2 images would take .* data.resize ma"),
        (lambda path: None, {}, ": expected images .*, found none$"),
        (lambda path: path.rmdir(), {}, ": expected a file .npy"),
        (folders(cats=2, **{"": 2}), {}, ": expected images in folders of classes or without, found both$"),
        (folders(cat=2, dog_batch=1), {}, "/dog/batch/000.png: expected images in .* found this one deeper$"),
        (folders(train=1), {}, f": expected {PARTS}train$"),
        (folders(test=1, cats=1), {}, f": expected {PARTS}test$"),
        (folders(Train=1, train=1, test=1), {}, f": expected {PARTS}Train, train, test$"),
        (folders(val=1, test=1), {}, f": expected {PARTS}test, val$"),
        (folders(**{"caf\udce9": 1}), {}, r": expected names in UTF-8, got b'caf\\xe9'$"),
    ],
)
def test_what_cannot_be_used_is_named(write, options, message, tmp_path, monkeypatch):
    monkeypatch.setattr("vsc_jax.data.files.machine_memory", lambda: 700)
    write(tmp_path)
    assert_refused(f"^{tmp_path}{message}", read, tmp_path, **options)


def test_the_orientation_that_a_camera_wrote_is_applied(tmp_path):
    seen = np.zeros((16, 24), np.uint8)
    seen[:4], seen[:, :8] = 255, 128  # no two orientations look the same
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(2):
        stored = Image.fromarray(np.ascontiguousarray(seen.T[::-1]))
        stored.save(tmp_path / f"{number}.jpg", exif=exif, quality=100)
    np.testing.assert_allclose(read(tmp_path).train.x[0].astype(int), seen, atol=8)


def test_what_is_transparent_is_laid_on_white_and_told(tmp_path):
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:6, 2:6], alpha[0, 0] = 255, 51
    for number in range(3):
        Image.fromarray(np.stack([0 * alpha, alpha], -1)).save(tmp_path / f"{number}.png")
    dataset = read(saved(tmp_path, np.full((1, 8, 8), 9, np.uint8), first=3))
    rows = np.concatenate([dataset.train.x, dataset.test.x])
    expected = np.where(alpha == 255, 0, np.where(alpha == 51, 204, 255))
    assert any(np.array_equal(row, expected) for row in rows)
    assert dataset.notes == ("3 of 4 images have an alpha channel: they are laid on white",)


@pytest.mark.parametrize(("training", "held_out"), [
    ("Train", "Test"), ("train", "val"), ("TRAIN", "validation"), ("training", "valid"),
])  # fmt: skip
def test_the_parts_are_known_in_any_case_of_letters_and_val_stands_in_for_test(training, held_out, tmp_path):
    for part, images in ((training, GREY[:4]), (held_out, GREY[4:])):
        saved(tmp_path / part / "a", images[:1])
        saved(tmp_path / part / "b", images[1:], first=1)
    dataset = read(tmp_path)
    np.testing.assert_array_equal(dataset.train.x, GREY[:4])
    np.testing.assert_array_equal(dataset.test.x, GREY[4:])
    parts = f"{training} is the training part, {held_out} the test part"
    assert (dataset.notes, dataset.test.labels.tolist()) == ((parts, "y: 2 classes, a, b"), [0, 1])


def test_what_is_not_used_is_told(tmp_path):
    folders(train=6, val=6, test=6, **{"": 1})(tmp_path)
    (tmp_path / "train" / "notes.txt").write_text("no image")
    dataset = read(tmp_path, label="kind")
    assert (len(dataset.train), len(dataset.test)) == (6, 6)
    assert dataset.notes == (
        "train is the training part, test the test part",
        "not used: 000.png, val (images: 7)",
        "left out, being no images that can be read: train/notes.txt (files: 1)",
        "data.label kind is not used: the data are no table with a column of labels",
    )
