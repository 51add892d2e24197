"""Sets of images as TensorFlow Datasets prepares them, read without TensorFlow.

``tensorflow_datasets`` reads prepared ArrayRecord files by itself. Only the first preparation of most sets
needs TensorFlow, which is therefore an extra. Decoded images are kept by :mod:`vsc_jax.data.cache`.
"""

import hashlib
import importlib.util
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsc_jax.config.errors import UserError
from vsc_jax.data.arrays import hold_out
from vsc_jax.data.cache import cached, scratch
from vsc_jax.data.dataset import Dataset, Split, first_outside, sample_rows
from vsc_jax.data.examples import give_back
from vsc_jax.data.memory import check_memory
from vsc_jax.data.pictures import AS_THEY_ARE, Fit, fitted, size_in_words

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
"""The sets that ``data.name`` knows without ``tfds:``, and how they are called in a sentence."""

OWN_BUILDERS = ("smiley", "uci_har")
"""Sets of :mod:`vsc_jax.data.tfds_builders`, which are prepared without TensorFlow."""

_BATCH = 4096  # records decoded at a time
_LOOKED_AT = 100  # records that tell whether a set is stored as 0 and 1
_DECODING = 3  # part of the cache key; raise it when decoding changes


class Request(NamedTuple):
    """What is read of a set.

    Attributes:
      image: the feature that holds the images; None for ``image``, or the only one there is.
      label: the feature that holds the classes, ``a/b`` inside another one; None for ``label``, if there.
      fit: how the images are brought to one form.
      train: how many training examples at most, drawn by the seed; None for all.
      test: how many test examples at most.
      test_fraction: share of the training examples that is held out where there is no test split.
      seed: seed of these choices.
    """

    image: str | None = None
    label: str | None = None
    fit: Fit = AS_THEY_ARE
    train: int | None = None
    test: int | None = None
    test_fraction: float = 0.1
    seed: int = 0


class _Columns(NamedTuple):
    """Features of a set: the image, the label if there is one, and the true factors."""

    image: str
    label: str | None
    factors: tuple[str, ...]


EVERYTHING = Request()


def load_tfds(name: str, directory: Path | None = None, request: Request = EVERYTHING) -> Dataset:
    """A set of images, prepared first if that is possible here.

    All single numbers among its features but the label are carried as factors.

    Args:
      name: ``NAME``, ``NAME:VERSION``, ``NAME/CONFIG`` or ``NAME/CONFIG:VERSION``.
      directory: folder with prepared TFDS sets; without it TFDS_DATA_DIR, then ~/tensorflow_datasets.
      request: what is read of it.

    Raises:
      UserError: if the set is not prepared and cannot be, if it has no such features, or naming the file that
        cannot be read.
    """
    matched = re.fullmatch(r"(\w+(?:/\w[\w.+-]*)?)(?::(\d+\.\d+\.\d+))?", name)
    if matched is None:
        raise UserError(f"data.name: expected tfds:NAME or tfds:NAME:1.2.3, got {'tfds:' + name!r}")
    name, version = matched.groups()
    root = directory or Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    source = _prepared(name, version, root.expanduser())
    digest = _fingerprint(source, request)
    arrays = cached(f"{name.replace('/', '-')}-{source.name}-{digest}", lambda: _decode(source, request))
    names = ("x", "labels", "factors")
    splits: list[Split[Any]] = [
        Split(*(arrays.get(f"{part}_{field}") for field in names))
        for part in ("train", "test")
        if f"{part}_x" in arrays
    ]
    origin = f"{TITLES.get(name, name)} {source.name} as TFDS prepares it"
    if len(splits) == 1:
        splits = [*hold_out(splits[0], request.test_fraction, request.seed)]
        origin += f", test examples held out at random (seed {request.seed})"
    return Dataset(
        name=name,
        train=splits[0].take(slice(None)),
        test=splits[1],
        label_names=tuple(str(label) for label in arrays.get("label_names", ())),
        factor_names=tuple(str(factor) for factor in arrays.get("factor_names", ())),
        description=origin,
    )


def _prepared(name: str, version: str | None, root: Path) -> Path:
    """The folder of the version that is asked for, or of the newest prepared one."""
    title = TITLES.get(name, name)
    if found := _version(root / name, version):
        return found
    where = root / name if version is None else root / name / version
    if name not in OWN_BUILDERS and importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"{where}: no prepared {title} there; point --data.directory or TFDS_DATA_DIR to a "
            "folder that has it, or prepare it once with TensorFlow: pip install tensorflow"
        )
    import tensorflow_datasets

    if name in OWN_BUILDERS:
        import vsc_jax.data.tfds_builders  # noqa: F401, whose builders are known once it is imported
    asked = name if version is None else f"{name}:{version}"
    try:
        tensorflow_datasets.builder(asked, data_dir=root, file_format="array_record").download_and_prepare()
    except Exception as error:  # network, disk and TensorFlow fail in their own ways
        raise UserError(f"{where}: could not prepare {title} ({_line(error)})") from error
    found = _version(root / name, version)
    if found is None:
        raise UserError(f"{where}: expected a prepared {title} there, found none; name its configuration")
    return found


def _version(folder: Path, version: str | None) -> Path | None:
    versions = [
        path
        for path in folder.glob("*.*.*")
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "dataset_info.json").is_file()
    ]
    if version is not None:
        return next((path for path in versions if path.name == version), None)
    return max(versions, key=lambda path: [int(number) for number in path.name.split(".")], default=None)


def _fingerprint(folder: Path, request: Request) -> str:
    """A short name of the files' state: another copy, size or time of change gives another one."""
    files = sorted((path.name, path.stat()) for path in folder.iterdir())
    drawn = request.seed if request.train or request.test else 0
    read = request._replace(test_fraction=0.0, seed=drawn)
    state = [_DECODING, read, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def _decode(source: Path, request: Request) -> dict[str, np.ndarray]:
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder_from_directory(source)
        features = _leaves(builder.info.features)
        file_format = builder.info.file_format.value
        splits = list(builder.info.splits)
    except Exception as error:  # whatever a damaged description leads to
        raise UserError(f"{source}: cannot be read as a TFDS set ({_line(error)})") from error
    if file_format != "array_record":
        raise UserError(
            f"{source}: expected ArrayRecord files, got {file_format}; prepare the set in another folder "
            f"with tfds build {builder.name} --file_format=array_record"
        )
    columns = _columns(features, request, source)
    fit = request.fit
    if fit.colour == "auto":
        fit = fit._replace(colour="grey" if features[columns.image].shape[-1] == 1 else "rgb")
    arrays: dict[str, np.ndarray] = {}
    if columns.label is not None:
        arrays["label_names"] = np.array(_label_names(features[columns.label]))
    if columns.factors:
        arrays["factor_names"] = np.array(columns.factors)
    test = next((split for split in ("test", "validation") if split in splits), None)
    if "train" not in splits:
        raise UserError(f"{source}: expected a split train, found {', '.join(splits) or 'none'}")
    limits = (request.train, request.test)
    if test is None and None not in limits:
        limits = (sum(filter(None, limits)), None)
    elif test is None:
        limits = (None, None)
    for part, split, limit in zip(("train", "test"), ("train", test), limits, strict=True):
        if split is not None:
            decoded = _decode_split(builder, split, columns, fit, (limit, request.seed), source)
            if columns.label is not None:
                most = len(arrays["label_names"]) - 1.0 if len(arrays["label_names"]) else math.inf
                if (index := first_outside(decoded["labels"], 0.0, most)) is not None:
                    raise UserError(
                        f"{source}: example {index[0]} of the {split} split: {columns.label}: expected a"
                        f" class from 0 to {most:g}, got {decoded['labels'][index]}"
                    )
            arrays |= {f"{part}_{name}": array for name, array in decoded.items()}
    return arrays


def _leaves(features: Any, prefix: str = "") -> dict[str, Any]:
    """All features by their path, those inside others as ``a/b``."""
    leaves: dict[str, Any] = {}
    for name, feature in features.items():
        inner = hasattr(feature, "items")
        leaves |= _leaves(feature, f"{prefix}{name}/") if inner else {f"{prefix}{name}": feature}
    return dict(sorted(leaves.items()))  # the description's own order differs from reading to reading


def _columns(features: dict[str, Any], request: Request, source: Path) -> _Columns:
    """Which features are the image, the label and the factors."""
    import tensorflow_datasets

    images = [
        name for name, feature in features.items() if isinstance(feature, tensorflow_datasets.features.Image)
    ]
    image = request.image or ("image" if "image" in images else images[0] if len(images) == 1 else None)
    if image not in images or image is None:
        raise UserError(
            f"{source}: data.image: expected one of the features with images"
            f" ({', '.join(images) or 'there are none'}), got {request.image or 'none'}"
        )
    if np.dtype(features[image].np_dtype) != np.uint8:
        raise UserError(f"{source}: {image}: expected images of uint8, got {features[image].np_dtype}")
    numbers = [name for name, feature in features.items() if _is_number(feature)]
    label = request.label or ("label" if "label" in numbers else None)
    if label is not None and (label not in numbers or np.dtype(features[label].np_dtype).kind not in "biu"):
        classes = [name for name in numbers if np.dtype(features[name].np_dtype).kind in "biu"]
        raise UserError(
            f"{source}: data.label: expected one of the features {', '.join(classes) or '(there are none)'},"
            f" got {label}"
        )
    return _Columns(image, label, tuple(name for name in numbers if name != label))


def _is_number(feature: Any) -> bool:
    return feature.shape == () and np.dtype(feature.np_dtype).kind in "biuf"


def _label_names(feature: Any) -> list[str]:
    if names := getattr(feature, "names", None):
        return list(names)
    return ["no", "yes"] if np.dtype(feature.np_dtype).kind == "b" else []


def _without_images(features: Any) -> dict[str, Any]:
    """Decoders that leave every image as the bytes of its file."""
    import tensorflow_datasets

    decoders: dict[str, Any] = {}
    for name, feature in features.items():
        if isinstance(feature, tensorflow_datasets.features.Image):
            decoders[name] = tensorflow_datasets.decode.SkipDecoding()
        elif hasattr(feature, "items") and (inner := _without_images(feature)):
            decoders[name] = inner
    return decoders


def _decode_split(
    builder: Any, split: str, columns: _Columns, fit: Fit, drawn: tuple[int | None, int], source: Path
) -> dict[str, np.ndarray]:
    """Images ``x``, uint8, and where there are any int32 ``labels`` and float32 ``factors``.

    Of all records, or of as many as ``drawn`` says, with the seed of their choice.
    """
    try:
        # Pillow by itself decodes a PNG in half the time that TFDS takes around it.
        decoders = _without_images(builder.info.features)
        records = builder.as_data_source(split=split, decoders=decoders)
        limit, seed = drawn
        chosen = np.arange(len(records))[sample_rows(len(records), limit or len(records), seed)]
        n = len(chosen)
        labels = np.empty(n, np.int32)
        factors = np.empty((n, len(columns.factors)), np.float32)
        images: np.ndarray | None = None
        for start in range(0, n, _BATCH):
            rows = range(start, min(start + _BATCH, n))
            examples = records.__getitems__(chosen[rows.start : rows.stop].tolist())
            if start == 0:
                fit = fit._replace(
                    white=_white([_at(example, columns.image) for example in examples[:_LOOKED_AT]])
                )
            for row, example in zip(rows, examples, strict=True):
                try:
                    picture = fitted(_at(example, columns.image), fit)
                except UserError as error:
                    raise UserError(
                        f"{source}: example {chosen[row]} of the {split} split: {error}"
                    ) from None
                if images is None:
                    what = f"{source}: {n:,} images of the {split} split"
                    check_memory(n * picture.nbytes, what, "data.resize or data.train_examples")
                    images = scratch((n, *picture.shape), np.uint8)
                if picture.shape != images.shape[1:]:
                    raise UserError(
                        f"{source}: example {chosen[row]} of the {split} split: expected"
                        f" {size_in_words(images.shape[1:])} as the first has, got"
                        f" {size_in_words(picture.shape)}; data.resize brings images to one size"
                    )
                images[row] = picture
                if columns.label is not None:
                    labels[row] = _at(example, columns.label)
                factors[row] = [_at(example, name) for name in columns.factors]
            if images is not None:
                give_back(images)
    except UserError:
        raise
    except Exception as error:  # ArrayRecord, protobuf and Pillow each have errors of their own
        files = sorted(source.glob(f"*-{split}.array_record*"))
        culprit = files[0] if len(files) == 1 else source
        raise UserError(
            f"{culprit}: cannot be read as the {split} split, damaged or incomplete ({_line(error)}); "
            "prepare or copy the set again"
        ) from error
    if images is None:
        raise UserError(f"{source}: expected examples in the {split} split, found none")
    arrays = {"x": images}
    if columns.label is not None:
        arrays["labels"] = labels
    if columns.factors:
        arrays["factors"] = factors
    return arrays


def _white(pictures: list[bytes]) -> int:
    """1 for pictures of nothing but 0 and 1, as dsprites has them, else 255."""
    return 1 if max(int(fitted(picture, Fit(colour="rgb")).max()) for picture in pictures) == 1 else 255


def _at(example: Any, path: str) -> Any:
    for name in path.split("/"):
        example = example[name]
    return example


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
