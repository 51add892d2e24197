"""Smiley and UCI HAR through TFDS, prepared without TensorFlow."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import vsc_jax.data.tfds_builders  # noqa: F401, which makes the two names known
from tests.data import har
from vsc_jax.config import DataConfig
from vsc_jax.data import load, smiley
from vsc_jax.data.uci_har import load_uci_har


@pytest.fixture
def few_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smiley, "EXAMPLES", {"train": 30, "test": 10})


def test_data_source_gives_the_faces_with_what_made_them(few_faces: None, tmp_path: Path) -> None:
    source = tfds.data_source("smiley", data_dir=tmp_path)
    assert {split: len(examples) for split, examples in source.items()} == {"train": 30, "test": 10}
    for example in source["test"]:
        image = smiley.render(example["presence"][None], example["values"][None])[0]
        np.testing.assert_array_equal(example["image"][..., 0], image * 255)
    assert "tensorflow" not in sys.modules


def test_the_faces_are_those_of_the_data_section(few_faces: None, tmp_path: Path) -> None:
    through_tfds = load(DataConfig(name="tfds:smiley", directory=tmp_path))
    drawn = load(DataConfig(name="smiley", train_examples=30, test_examples=10))
    for split in ("train", "test"):
        ours, theirs = getattr(drawn, split).x, getattr(through_tfds, split).x
        assert sorted(image.tobytes() for image in ours) == sorted(image.tobytes() for image in theirs)


def test_windows_are_those_of_the_archive(tmp_path: Path) -> None:
    manual = tmp_path / "manual"
    manual.mkdir()
    path = har.archive(manual / "uci_har.zip", har.files())
    source = tfds.data_source(
        "uci_har",
        data_dir=tmp_path / "tfds",
        download_and_prepare_kwargs={"download_config": tfds.download.DownloadConfig(manual_dir=manual)},
    )
    features, signals = load_uci_har(path).test, load_uci_har(path, "signals").test
    assert features.labels is not None
    assert features.subjects is not None
    rows = {window.tobytes(): row for row, window in enumerate(features.x)}
    assert len(source["test"]) == len(rows)
    for example in source["test"]:
        row = rows[example["features"].tobytes()]
        np.testing.assert_array_equal(example["signals"], signals.x[row])
        assert example["label"] == features.labels[row]
        assert example["subject"] == features.subjects[row]
