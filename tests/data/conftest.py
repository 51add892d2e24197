"""An own cache folder for every test, and a tiny set in the files that TFDS prepares."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest


class TinySet(NamedTuple):
    """A prepared set: its root (what TFDS_DATA_DIR would be), its folder, and what is in it."""

    root: Path
    folder: Path
    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache of this test, empty at first; and no TFDS folder from the environment."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VSC_JAX_CACHE", str(folder))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # pytest keeps its folders, and real sets are large


@pytest.fixture(scope="session")
def mnist_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the prepared set."""
    from tests.data.prepared import Mnist

    folder = tmp_path_factory.mktemp("tfds")
    Mnist(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture
def tiny_mnist(mnist_files: Path, tmp_path: Path) -> TinySet:
    """A copy of it, which a test may damage."""
    import tensorflow_datasets as tfds

    root = shutil.copytree(mnist_files, tmp_path / "tfds")
    folder = root / "mnist" / "3.0.1"
    source = tfds.builder_from_directory(folder).as_data_source()
    images = {split: np.stack([e["image"][..., 0] for e in source[split]]) for split in source}
    labels = {split: np.array([e["label"] for e in source[split]]) for split in source}
    return TinySet(root, folder, images, labels)
