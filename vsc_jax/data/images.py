"""Images from files: cropped, resized and in one color mode, and folders of them."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.choices import Color
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.arrays import listed
from vsc_jax.data.files import check_memory, in_a_line, readable

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")
_TRAINING, _TEST = ("train", "training"), ("test", "testing")
_VALIDATION = ("val", "valid", "validation")
_BITS_PER_SAMPLE = 258  # tag of a TIFF file
_MOST_NAMES = 10


def read_folder(path: Path, config: DataConfig) -> dict[str, Any]:
    """A folder of images as arguments of :func:`vsc_jax.data.arrays.from_arrays`.

    Images lie in the folder itself, or in one folder for each class, whose name is the class's. Folders
    ``train`` and ``test`` (or ``val``, in any case of letters) are the splits. Notes say what is not used.
    With them are the names of the ``files`` below ``path``, the training part first.
    """
    folders, notes = _splits(path)
    parts: dict[str, list[Path]] = {}
    others: list[str] = []
    for name, folder in zip(("x", "x_test"), folders, strict=False):
        files = _in_classes(folder)
        parts[name] = [file for file in files if _is_image(file)]
        others += [str(file.relative_to(path)) for file in files if not _is_image(file)]
        if not parts[name]:
            raise UserError(f"{folder}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    classes = {"y" + name[1:]: [file.parent.name for file in parts[name]] for name in parts}
    flat = [file.parent in folders for files in parts.values() for file in files]
    if any(flat) and not all(flat):
        raise UserError(f"{path}: expected images in folders of classes or without, found both")
    if others:
        names = listed(others, _MOST_NAMES)
        notes.append(f"left out, being no images that can be read: {names} (files: {len(others):,})")
    files = [file for part in parts.values() for file in part]
    x, with_alpha = _decoded(files, config)
    if with_alpha:
        notes.append(f"{with_alpha:,} of {len(files):,} images have an alpha channel: they are laid on white")
    split = dict(zip(parts, np.split(x, [len(parts["x"])]), strict=False))
    below = [str(file.relative_to(path)) for file in files]
    return {**split, **({} if any(flat) else classes), "files": below, "notes": notes}


def fitted(content: bytes | Path, config: DataConfig, color: Color, white: int = 255) -> np.ndarray:
    """An image as uint8 ``[height, width]``, or ``[height, width, 3]`` in color, as viewers show it.

    It is turned as its EXIF orientation says; what is transparent is laid on white. Without ``config.crop``
    the largest square in the middle is resized. ``white`` is the value that stands for white: 255, or 1 where
    black and white are stored as 0 and 1. Pillow's errors for damaged files are passed on.
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
    width, height = picture.size
    if side := config.crop or (min(width, height) if config.resize else None):
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
        raise UserError(f"expected {expected} as {name} has, got {got}; data.resize makes them alike")


def _check_whole(image: Any) -> None:
    """Refuse an image of which Pillow would give a part: the upper 8 bits, or the first page or frame."""
    if image.mode[0] in "IF":
        raise UserError(f"expected 8 bits a channel, got an image of mode {image.mode}")
    stored = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    if ";16" in str(image.tile) or max(stored) > 8:  # such as RGB;16B, which is read as RGB
        raise UserError("expected 8 bits a channel, got 16")
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
        expected = "one folder train and one folder test or val, or folders of classes with other names"
        raise UserError(f"{path}: expected {expected}, found {names}")
    notes = [f"{used[0].name} is the training part, {used[1].name} the test part"]
    beside = {entry.name: count for entry in entries if entry not in used and (count := len(_images(entry)))}
    if beside:
        notes.append(f"not used: {listed([*beside], _MOST_NAMES)} (images: {sum(beside.values()):,})")
    return used, notes


def _in_classes(folder: Path) -> list[Path]:
    """The files of a folder, then those in folders of classes in it, both in the order of their names."""
    entries = _entries(folder)
    files = [file for file in entries if not file.is_dir()]
    for content in map(_entries, filter(Path.is_dir, entries)):
        if deeper := [file for deep in content if deep.is_dir() for file in _images(deep)]:
            expected = f"expected images in {folder} or in folders of classes in it"
            raise UserError(f"{deeper[0]}: {expected}, found this one deeper")
        files += [file for file in content if not file.is_dir()]
    return files


def _images(entry: Path) -> list[Path]:
    """The images in a folder and below, or the one that a file is."""
    inside = (Path(base, name) for base, _, names in os.walk(entry) for name in sorted(names))
    return [file for file in ([*inside] if entry.is_dir() else [entry]) if _is_image(file)]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, but for what is hidden, in the order of the names."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: {in_a_line(error).lower()}") from None
    for entry in entries:
        if os.fsencode(entry.name).decode(errors="replace") != entry.name:
            raise UserError(f"{folder}: expected names in UTF-8, got {os.fsencode(entry.name)!r}")
    return entries


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _decoded(files: list[Path], config: DataConfig) -> tuple[np.ndarray, int]:
    """All files as one array ``[n, height, width, ...]``, and how many of them have an alpha channel."""
    import PIL.Image

    damaged, with_alpha, colored = "cannot be read as an image ({})", 0, False
    for file in files:
        with within(file), readable(damaged), PIL.Image.open(file, formats=_FORMATS) as image:
            with_alpha += image.has_transparency_data
            colored |= image.mode not in _GREY_MODES
    color = config.color if config.color != "auto" else "rgb" if colored else "grey"
    x = np.empty(0, np.uint8)
    for row, file in enumerate(files):
        with within(file), readable(damaged):
            picture = fitted(file, config, color)
            if row > 0:
                check_size(picture.shape, x.shape[1:], files[0].name)
        if row == 0:
            check_memory(len(files) * picture.nbytes, f"{file.parent}: {len(files):,} images", "data.resize")
            x = np.empty((len(files), *picture.shape), np.uint8)
        x[row] = picture
    return x, with_alpha
