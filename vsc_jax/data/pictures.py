"""Pictures from files: cropped, resized and in one colour mode, and folders of them as a data set."""

import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from vsc_jax.data.arrays import from_arrays
from vsc_jax.data.dataset import Dataset
from vsc_jax.data.memory import check_memory
from vsc_jax.errors import UserError

Colour = Literal["auto", "grey", "rgb"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
"""Files that a folder of images may hold; others in it are passed over."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")
_SPLITS = ("train", "test")


class Fit(NamedTuple):
    """How pictures are brought to one form.

    Attributes:
      crop: side of the square that is cut from the middle, or None.
      resize: side of the square that they are resized to, or None; without ``crop`` the largest square in
        the middle is taken first.
      colour: ``grey``, ``rgb``, or ``auto`` for grey where all pictures are.
      white: the pixel value that stands for white: 255, or 1 where black and white are stored as 0 and 1.
    """

    crop: int | None = None
    resize: int | None = None
    colour: Colour = "auto"
    white: int = 255


AS_THEY_ARE = Fit()


def load_folder(path: Path, fit: Fit = AS_THEY_ARE, *, test_fraction: float = 0.1, seed: int = 0) -> Dataset:
    """A folder of images as a data set.

    Images lie in the folder itself, or in one folder for each class, whose name is the class's. Where the
    folder holds folders ``train`` and ``test``, these are the two splits, each arranged in this way.

    Args:
      path: the folder.
      fit: how the images are brought to one form.
      test_fraction: share of the examples that is held out where there are no such two folders.
      seed: seed of the held-out choice.

    Raises:
      UserError: naming the file that cannot be read, or is of another size than the first.
    """
    split = [path / name for name in _SPLITS]
    folders = split if all(folder.is_dir() for folder in split) else [path]
    files = [_files(folder) for folder in folders]
    classes = sorted({name for part in files for _, name in part if name is not None})
    if any(name is None for part in files for _, name in part) and classes:
        raise UserError(f"{path}: expected images in folders of classes or without, found both")
    fit = fit._replace(colour=_colour([file for part in files for file, _ in part], fit.colour))
    x = _decoded([file for part in files for file, _ in part], fit)
    labels = np.array([classes.index(name) for part in files for _, name in part if name], np.int32)
    y = labels if classes else None
    if len(folders) == 1:
        return from_arrays(x, y, name=path.name, label_names=classes, test_fraction=test_fraction, seed=seed)
    n = len(files[0])
    y_train, y_test = (None, None) if y is None else (y[:n], y[n:])
    return from_arrays(x[:n], y_train, x[n:], y_test, name=path.name, label_names=classes)


def fitted(content: bytes | Path, fit: Fit) -> np.ndarray:
    """A picture as uint8 ``[height, width]``, or ``[height, width, 3]`` in colour.

    Args:
      content: the file, or what it holds.
      fit: its form; the colour mode must be decided.

    Raises:
      UserError: if it is smaller than what is to be cropped, or has more than 8 bits a channel.
      OSError, ValueError, Image.DecompressionBombError and more: whatever Pillow raises for a file that is
        damaged or far too large.
    """
    import PIL.Image

    mode = "L" if fit.colour == "grey" else "RGB"
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with PIL.Image.open(source, formats=_FORMATS) as image:
        if image.mode[0] in "IF":
            raise UserError(f"expected 8 bits a channel, got an image of mode {image.mode}")
        image.load()
        picture = image if image.mode == mode else image.convert(mode)
    if fit.white != 255:
        picture = picture.point([min(value * 255 // fit.white, 255) for value in range(256)] * len(mode))
    side = fit.crop or (min(picture.size) if fit.resize else None)
    if side is not None:
        width, height = picture.size
        if side > min(width, height):
            raise UserError(f"expected at least {side} x {side} pixels for data.crop, got {height} x {width}")
        left, top = (width - side) // 2, (height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    if fit.resize is not None and picture.size != (fit.resize, fit.resize):
        picture = picture.resize((fit.resize, fit.resize), PIL.Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _files(folder: Path) -> list[tuple[Path, str | None]]:
    """The images of a folder in the order of their names, each with its class."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: {(error.strerror or str(error)).lower()}") from None
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    found: list[tuple[Path, str | None]] = [(file, None) for file in entries if _is_picture(file)]
    for inner in entries:
        if inner.is_dir():
            found += [(file, inner.name) for file in sorted(inner.iterdir()) if _is_picture(file)]
    if not found:
        raise UserError(f"{folder}: expected images ({', '.join(sorted(SUFFIXES))}), found none")
    return found


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _colour(files: list[Path], colour: Colour) -> Colour:
    import PIL.Image

    if colour != "auto":
        return colour
    for file in files:
        try:
            with PIL.Image.open(file, formats=_FORMATS) as image:
                if image.mode not in _GREY_MODES:
                    return "rgb"
        except Exception as error:  # Pillow has many errors of its own for damaged files
            raise _unreadable(file, error) from None
    return "grey"


def _decoded(files: list[Path], fit: Fit) -> np.ndarray:
    """All files as one array ``[n, height, width, ...]``."""
    x: np.ndarray | None = None
    for row, file in enumerate(files):
        try:
            picture = fitted(file, fit)
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        except Exception as error:  # Pillow has many errors of its own for damaged files
            raise _unreadable(file, error) from None
        if x is None:
            check_memory(len(files) * picture.nbytes, f"{file.parent}: {len(files):,} images", "data.resize")
            x = np.empty((len(files), *picture.shape), np.uint8)
        if picture.shape != x.shape[1:]:
            raise UserError(
                f"{file}: expected {size_in_words(x.shape[1:])} as {files[0].name} has, got"
                f" {size_in_words(picture.shape)}; data.resize brings images to one size"
            )
        x[row] = picture
    assert x is not None
    return x


def size_in_words(shape: tuple[int, ...]) -> str:
    """The size of a picture ``[height, width, ...]``."""
    return f"{shape[0]} x {shape[1]} pixels"


def _unreadable(file: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{file}: cannot be read as an image ({reason})")
