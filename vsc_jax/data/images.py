"""Images from files: cropped, resized and in one color mode, and folders of them as a data set."""

import dataclasses
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.choices import Color
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.arrays import from_arrays
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.labels import listed
from vsc_jax.data.limits import check_memory

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")
_TRAINING, _TEST = ("train", "training"), ("test", "testing")
_VALIDATION = ("val", "valid", "validation")
_BITS_PER_SAMPLE = 258  # tag of a TIFF file
_MOST_NAMES = 10


def load_folder(path: Path, config: DataConfig) -> Dataset:
    """A folder of images as a data set, whose notes name the classes, the split, and what is not used.

    Images lie in the folder itself, or in one folder for each class, whose name is the class's. Where the
    folder holds folders ``train`` and ``test`` (in any case of letters; ``val``, ``valid`` or ``validation``
    where there is no ``test``), these are the two splits; else a share is held out.

    Raises:
      UserError: naming the file that cannot be read, is of another size than the first, holds several
        images, or lies in a folder below that of a class.
    """
    folders, notes = _splits(path)
    found, others = zip(*map(_files, folders), strict=True)
    files = [file for part in found for file, _ in part]
    classes = sorted({name for part in found for _, name in part if name is not None})
    if any(name is None for part in found for _, name in part) and classes:
        raise UserError(f"{path}: expected images in folders of classes or without, found both")
    if classes:
        notes.insert(0, f"{len(classes)} classes, each a folder: {listed(tuple(classes), _MOST_NAMES)}")
    if left_out := tuple(str(file.relative_to(path)) for part in others for file in part):
        names = listed(left_out, _MOST_NAMES)
        notes.append(f"left out, being no images that can be read: {names} (files: {len(left_out):,})")
    color, with_alpha = _look(files, config.color)
    if with_alpha:
        notes.append(f"{with_alpha:,} of {len(files):,} images have an alpha channel: they are laid on white")
    x = _decoded(files, config, color)
    if x.max() == 0:
        raise UserError(f"{path}: every pixel of the images is 0")
    if x.max() == 1:  # masks
        x *= 255
        notes.append("no pixel is above 1: 0 is taken for black, 1 for white")
    y = np.array([classes.index(name) for part in found for _, name in part if name], np.int32)
    n = len(found[0])
    parts: dict[str, Any] = {"x": x, "y": y}
    if len(folders) == 2:
        parts = {"x": x[:n], "y": y[:n], "x_test": x[n:], "y_test": y[n:]}
    if not classes:
        parts = {name: array for name, array in parts.items() if name.startswith("x")}
    parts |= {"label_names": classes, "test_fraction": config.test_fraction, "seed": config.seed}
    dataset = from_arrays(**parts, name=path.name)
    return dataclasses.replace(dataset, notes=(*dataset.notes, *notes))


def fitted(content: bytes | Path, config: DataConfig, color: Color, white: int = 255) -> np.ndarray:
    """An image as uint8 ``[height, width]``, or ``[height, width, 3]`` in color, as viewers show it.

    It is turned as its EXIF orientation says; what is transparent is laid on white. Of ``config`` are taken
    ``crop`` and ``resize``, of the largest square in the middle where there is no ``crop``. ``white`` is the
    pixel value that stands for white: 255, or 1 where black and white are stored as 0 and 1.

    Raises:
      UserError: if it is smaller than what is to be cropped, has more than 8 bits a channel, or is one of
        several pages or frames.
      OSError, ValueError and more: whatever Pillow raises for a file that is damaged or far too large.
    """
    import PIL.Image
    import PIL.ImageOps

    mode = "L" if color == "grey" else "RGB"
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with PIL.Image.open(source, formats=_FORMATS) as image:
        _check_whole(image)
        image.load()
        picture = PIL.ImageOps.exif_transpose(image)
        if picture.has_transparency_data:
            ground = PIL.Image.new("RGBA", picture.size, "white")
            picture = PIL.Image.alpha_composite(ground, picture.convert("RGBA"))
        picture = picture if picture.mode == mode else picture.convert(mode)
    if white != 255:
        picture = picture.point([min(value * 255 // white, 255) for value in range(256)] * len(mode))
    side = config.crop or (min(picture.size) if config.resize else None)
    if side is not None:
        width, height = picture.size
        if side > min(width, height):
            raise UserError(f"expected at least {side} x {side} pixels for data.crop, got {height} x {width}")
        left, top = (width - side) // 2, (height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    if config.resize is not None and picture.size != (config.resize, config.resize):
        picture = picture.resize((config.resize, config.resize), PIL.Image.Resampling.LANCZOS)
    return np.asarray(picture)


def check_size(shape: tuple[int, ...], first: tuple[int, ...], name: str) -> None:
    """Refuse an image of another shape than that of the first, which is called ``name`` in the error."""
    if shape != first:
        expected, got = (f"{height} x {width} pixels" for height, width, *_ in (first, shape))
        raise UserError(
            f"expected {expected} as {name} has, got {got}; data.resize brings images to one size"
        )


def _check_whole(image: Any) -> None:
    """Refuse an image of which Pillow would give a part: the upper 8 bits, or the first page or frame."""
    if image.mode[0] in "IF":
        raise UserError(f"expected 8 bits a channel, got an image of mode {image.mode}")
    bits = 8
    if image.format == "PNG":
        position = image.fp.tell()
        image.fp.seek(24)
        bits = image.fp.read(1)[0]
        image.fp.seek(position)
    elif image.format == "TIFF":
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,)))
    if bits > 8:
        raise UserError(f"expected 8 bits a channel, got {bits}")
    # What a camera adds to a photograph (format MPO) is a preview of it.
    if image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
        raise UserError(f"expected one picture, got {frames} pages or frames; save each as a file")


def _splits(path: Path) -> tuple[list[Path], list[str]]:
    """The folders of the training and the test images, or the one of all, and what is to be said of that."""
    entries = _entries(path)
    training, held_out, unused = (
        [entry for entry in entries if entry.is_dir() and entry.name.lower() in names]
        for names in (_TRAINING, _TEST, _VALIDATION)
    )
    if not training + held_out + unused:
        return [path], []
    used = training + (held_out or unused)
    if len(training) != 1 or len(used) != 2:
        names = ", ".join(entry.name for entry in training + held_out + unused)
        raise UserError(
            f"{path}: expected one folder train and one folder test or val, or folders of classes with other"
            f" names, found {names}"
        )
    notes = [f"{used[0].name} is the training part, {used[1].name} the test part"]
    beside = {entry.name: _images(entry) for entry in entries if entry not in used}
    if left_out := [name for name, images in beside.items() if images]:
        notes.append(
            f"not used: {listed(tuple(left_out), _MOST_NAMES)} (images: {sum(map(len, beside.values())):,})"
        )
    return used, notes


def _files(folder: Path) -> tuple[list[tuple[Path, str | None]], list[Path]]:
    """The images of a folder in the order of their names, each with its class; and the other files."""
    entries = _entries(folder)
    inside: list[tuple[Path, str | None]] = [(file, None) for file in entries if not file.is_dir()]
    for inner in filter(Path.is_dir, entries):
        content = _entries(inner)
        if deeper := [file for deep in content if deep.is_dir() for file in _images(deep)]:
            raise UserError(
                f"{deeper[0]}: expected images in {folder} or in folders of classes in it, found this one"
                " deeper"
            )
        inside += [(file, inner.name) for file in content if not file.is_dir()]
    found = [(file, name) for file, name in inside if _is_image(file)]
    if not found:
        raise UserError(f"{folder}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    return found, [file for file, _ in inside if not _is_image(file)]


def _images(entry: Path) -> list[Path]:
    """The images in a folder and below, or the one that a file is."""
    inside = (Path(base, name) for base, _, names in os.walk(entry) for name in sorted(names))
    return [file for file in ([*inside] if entry.is_dir() else [entry]) if _is_image(file)]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, but for what is hidden, in the order of the names."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    for entry in entries:
        if os.fsencode(entry.name).decode(errors="replace") != entry.name:
            raise UserError(f"{folder}: expected names in UTF-8, got {os.fsencode(entry.name)!r}")
    return entries


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not file.is_dir()


def _look(files: list[Path], color: Color) -> tuple[Color, int]:
    """The color mode that the images ask for, and how many have an alpha channel."""
    import PIL.Image

    with_alpha, colored = 0, False
    for file in files:
        with _reading(file), PIL.Image.open(file, formats=_FORMATS) as image:
            with_alpha += image.has_transparency_data
            colored |= image.mode not in _GREY_MODES
    if color == "auto":
        color = "rgb" if colored else "grey"
    return color, with_alpha


def _decoded(files: list[Path], config: DataConfig, color: Color) -> np.ndarray:
    """All files as one array ``[n, height, width, ...]``."""
    x: np.ndarray | None = None
    for row, file in enumerate(files):
        with _reading(file):
            picture = fitted(file, config, color)
            if x is not None:
                check_size(picture.shape, x.shape[1:], files[0].name)
        if x is None:
            check_memory(len(files) * picture.nbytes, f"{file.parent}: {len(files):,} images", "data.resize")
            x = np.empty((len(files), *picture.shape), np.uint8)
        x[row] = picture
    assert x is not None
    return x


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    with within(file):
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # Pillow has many errors of its own for damaged files
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"cannot be read as an image ({reason})") from None
