"""Small sets as TFDS prepares them."""

import io
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def png(image: np.ndarray) -> io.BytesIO:
    """An image as a file: TFDS needs TensorFlow to write an array."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    file.seek(0)
    return file


class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A set of the features and splits that a subclass names."""

    VERSION = tfds.core.Version("2.0.1")
    FEATURES: ClassVar[dict[str, Any]]
    SPLITS: ClassVar[dict[str, list[Any]]]

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.FEATURES))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(examples) for split, examples in self.SPLITS.items()}

    def _generate_examples(self, examples: list[Any]) -> Any:
        yield from enumerate(examples)


def tiny(name, features, **splits):
    """A builder of a set with these features and splits."""
    return type(name, (Prepared,), {"FEATURES": features, "SPLITS": splits}, skip_registration=True)


def noise(size):
    """Images of noise with labels."""
    images = np.random.default_rng(size).integers(0, 256, (size, 28, 28), np.uint8)
    return [{"image": png(image), "label": number % 10} for number, image in enumerate(images)]


Mnist = tiny(
    "Mnist",
    {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)},
    train=noise(40),
    test=noise(20),
)
Mnist.VERSION = tfds.core.Version("3.0.1")
