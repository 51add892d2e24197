"""An own cache folder for every test, and a tiny set in the very files that TFDS would prepare."""

import io
import json
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


@pytest.fixture
def tiny_mnist(tmp_path: Path) -> TinySet:
    """40 training and 20 test images of noise under the name mnist, in ArrayRecord files."""
    from array_record.python.array_record_module import ArrayRecordWriter
    from PIL import Image
    from tensorflow_datasets.proto import tf_example_pb2

    folder = tmp_path / "tfds" / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, labels = {}, {}
    for split, n in (("train", 40), ("test", 20)):
        images[split] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        labels[split] = rng.integers(0, 10, n).astype(np.int32)
        writer = ArrayRecordWriter(str(folder / f"mnist-{split}.array_record-00000-of-00001"), "group_size:1")
        for image, label in zip(images[split], labels[split], strict=True):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            example = tf_example_pb2.Example()
            example.features.feature["image"].bytes_list.value.append(png.getvalue())
            example.features.feature["label"].int64_list.value.append(int(label))
            writer.write(example.SerializeToString())
        writer.close()
    description = {
        "name": "mnist",
        "version": "3.0.1",
        "fileFormat": "array_record",
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split,
                "numBytes": "1",
                "shardLengths": [str(len(labels[split]))],
            }
            for split in ("train", "test")
        ],
    }
    (folder / "dataset_info.json").write_text(json.dumps(description))
    package = "tensorflow_datasets.core.features"
    shape = {"dimensions": ["28", "28", "1"]}
    features = {
        "image": {
            "image": {"dtype": "uint8", "shape": shape},
            "pythonClassName": f"{package}.image_feature.Image",
        },
        "label": {
            "classLabel": {"numClasses": "10"},
            "pythonClassName": f"{package}.class_label_feature.ClassLabel",
        },
    }
    (folder / "features.json").write_text(
        json.dumps(
            {
                "featuresDict": {"features": features},
                "pythonClassName": f"{package}.features_dict.FeaturesDict",
            }
        )
    )
    return TinySet(folder.parents[1], folder, images, labels)
