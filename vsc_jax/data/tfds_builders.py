"""Smiley and UCI HAR as builders of TensorFlow Datasets, prepared and read without TensorFlow.

Importing this module makes ``tensorflow_datasets.data_source("smiley")`` and ``("uci_har")`` known.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from vsc_jax.data import smiley, uci_har


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A builder that writes ArrayRecord files unless it is asked for others: those need no TensorFlow."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES: ClassVar[dict[str, Any]]

    def __init__(self, *, file_format: Any = None, **options: Any):
        super().__init__(file_format=file_format or "array_record", **options)

    def _info(self) -> Any:
        features = tfds.features.FeaturesDict(self.FEATURES)
        return tfds.core.DatasetInfo(builder=self, description=type(self).__doc__, features=features)

    def _generate_examples(self, examples: Iterator[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(examples)


class Smiley(_Builder):
    """Faces drawn from seed 0 with attribute presence 0.5, with their 18 true factors.

    Tonolini, Jensen and Murray-Smith, Variational Sparse Coding, UAI 2019.
    """

    FEATURES: ClassVar = {
        "image": tfds.features.Image(shape=(smiley.SIDE, smiley.SIDE, 1)),
        "presence": tfds.features.Tensor(shape=(len(smiley.FACTORS),), dtype=np.uint8),
        "values": tfds.features.Tensor(shape=(len(smiley.FACTORS),), dtype=np.float32),
    }

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        splits = enumerate(("train", "test"))
        return {part: self._generate_examples(_faces(i, smiley.EXAMPLES[part])) for i, part in splits}


class UciHar(_Builder):
    """Windows of UCI HAR as features and as signals, of ``manual_dir/uci_har.zip`` or downloaded.

    Anguita, Ghio, Oneto, Parra and Reyes-Ortiz, A Public Domain Dataset for Human Activity Recognition Using
    Smartphones, ESANN 2013.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS = "Without a network, put the archive there as uci_har.zip."

    FEATURES: ClassVar = {
        "features": tfds.features.Tensor(shape=(uci_har.FEATURES,), dtype=np.float32),
        "signals": tfds.features.Tensor(shape=(uci_har.STEPS, len(uci_har.CHANNELS)), dtype=np.float32),
        "label": tfds.features.ClassLabel(names=uci_har.ACTIVITIES),
        "subject": np.int32,
    }

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        try:
            path: Path | None = Path(dl_manager.manual_dir) / "uci_har.zip"
        except (AssertionError, AttributeError, OSError):  # no such folder, or an empty one
            path = None
        features, signals = (uci_har.load_uci_har(path, form) for form in ("features", "signals"))
        parts = ((part, getattr(features, part), getattr(signals, part).x) for part in ("train", "test"))
        return {part: self._generate_examples(_windows(split, x)) for part, split, x in parts}


def _faces(stream: int, n: int) -> Iterator[dict[str, Any]]:
    import PIL.Image

    faces = smiley.generate((0, stream), n)
    for image, presence, values in zip(faces.images * np.uint8(255), *faces[1:], strict=True):
        PIL.Image.fromarray(image).save(file := io.BytesIO(), "PNG")
        file.seek(0)
        yield {"image": file, "presence": presence, "values": values}


def _windows(split: Any, signals: np.ndarray) -> Iterator[dict[str, Any]]:
    for x, signal, label, subject in zip(split.x, signals, split.labels, split.subjects, strict=True):
        yield {"features": x, "signals": signal, "label": int(label), "subject": subject}
