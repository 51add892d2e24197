"""MNIST and Fashion-MNIST as TensorFlow Datasets prepares them, read without TensorFlow.

``tensorflow_datasets`` reads prepared ArrayRecord files by itself. Only the first preparation of a set
needs TensorFlow, which is therefore an extra. Decoded images are kept by :mod:`vsc_jax.data.cache`.
"""

import hashlib
import importlib.util
import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.data.cache import cached
from vsc_jax.data.dataset import Dataset, Split
from vsc_jax.errors import UserError

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
"""The sets that this module reads, and how they are called in a sentence."""

_SPLITS = ("train", "test")
_BATCH = 4096  # records decoded at a time
_DECODING = 1  # part of the cache key; raise it when decoding changes


def load_tfds(name: str, directory: Path | None = None) -> Dataset:
    """A set of images with class labels, prepared first if TensorFlow is there to do it.

    Args:
      name: a key of ``TITLES``.
      directory: folder with prepared TFDS sets; without it TFDS_DATA_DIR, then ~/tensorflow_datasets.

    Raises:
      UserError: if the set is not prepared and cannot be, or naming the file that cannot be read.
    """
    root = directory or Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    source = _prepared(name, root.expanduser())
    key = f"{name}-{source.name}-{_fingerprint(source)}"
    arrays = cached(key, lambda: _decode(source))
    train, test = (Split(arrays[f"{split}_x"], arrays[f"{split}_labels"]) for split in _SPLITS)
    return Dataset(
        name=name,
        train=train,
        test=test,
        label_names=tuple(str(label) for label in arrays["label_names"]),
        description=f"{TITLES[name]} {source.name} as TFDS prepares it",
    )


def _prepared(name: str, root: Path) -> Path:
    """The folder of the newest prepared version."""
    if newest := _newest_version(root / name):
        return newest
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"{root / name}: no prepared {TITLES[name]} there; point --data.directory or TFDS_DATA_DIR to a "
            'folder that has it, or prepare it once with TensorFlow: pip install "vsc_jax[prepare]"'
        )
    import tensorflow_datasets

    try:
        tensorflow_datasets.builder(name, data_dir=root, file_format="array_record").download_and_prepare()
    except Exception as error:  # network, disk and TensorFlow fail in their own ways
        raise UserError(f"{root / name}: could not prepare {TITLES[name]} ({_line(error)})") from error
    newest = _newest_version(root / name)
    assert newest is not None
    return newest


def _newest_version(folder: Path) -> Path | None:
    versions = [
        path
        for path in folder.glob("*.*.*")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "dataset_info.json").is_file()
    ]
    return max(versions, key=lambda path: [int(number) for number in path.name.split(".")], default=None)


def _fingerprint(folder: Path) -> str:
    """A short name of the files' state: another copy, size or time of change gives another one."""
    files = sorted((path.name, path.stat()) for path in folder.iterdir())
    state = [_DECODING, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def _decode(source: Path) -> dict[str, np.ndarray]:
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder_from_directory(source)
        label_names = builder.info.features["label"].names
        file_format = builder.info.file_format.value
    except Exception as error:  # whatever a damaged description leads to
        raise UserError(f"{source}: cannot be read as a TFDS set ({_line(error)})") from error
    if file_format != "array_record":
        raise UserError(
            f"{source}: expected ArrayRecord files, got {file_format}; prepare the set in another folder "
            f"with tfds build {builder.name} --file_format=array_record"
        )
    arrays = {"label_names": np.array(label_names)}
    for split in _SPLITS:
        arrays[f"{split}_x"], arrays[f"{split}_labels"] = _decode_split(builder, split, source)
    return arrays


def _decode_split(builder: Any, split: str, source: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 ``[n, height, width]`` and labels int32 ``[n]``."""
    import PIL.Image
    import tensorflow_datasets

    try:
        decoders = {"image": tensorflow_datasets.decode.SkipDecoding()}
        # Pillow by itself decodes a PNG in half the time that TFDS takes around it.
        records = builder.as_data_source(split=split, decoders=decoders)
        height, width, _ = builder.info.features["image"].shape
        images = np.empty((len(records), height, width), np.uint8)
        labels = np.empty(len(records), np.int32)
        for start in range(0, len(records), _BATCH):
            rows = range(start, min(start + _BATCH, len(records)))
            for row, example in zip(rows, records.__getitems__(list(rows)), strict=True):
                images[row] = PIL.Image.open(io.BytesIO(example["image"]), formats=("PNG",))
                labels[row] = example["label"]
    except Exception as error:  # ArrayRecord, protobuf and Pillow each have errors of their own
        files = sorted(source.glob(f"*-{split}.array_record*"))
        culprit = files[0] if len(files) == 1 else source
        raise UserError(
            f"{culprit}: cannot be read as the {split} split, damaged or incomplete ({_line(error)}); "
            "prepare or copy the set again"
        ) from error
    return images, labels


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
