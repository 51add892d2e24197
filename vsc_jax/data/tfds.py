"""Sets of images as TensorFlow Datasets prepares them, read without TensorFlow.

``tensorflow_datasets`` reads prepared ArrayRecord files by itself. Only the first preparation of most sets
needs TensorFlow, which is therefore an extra. Decoded images are kept by :mod:`vsc_jax.data.files`.
"""

import importlib.util
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError, within
from vsc_jax.data.dataset import Dataset, Split, first_outside, hold_out, sample_rows
from vsc_jax.data.examples import scratch
from vsc_jax.data.files import cached, check_memory, fingerprint, in_a_line
from vsc_jax.data.images import check_size, fitted

PREFIX = "tfds:"  # of data.name for any set of TFDS
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}  # known without the prefix
OWN_BUILDERS = ("smiley", "uci_har")  # of tfds_builders, which are prepared without TensorFlow

_BATCH = 4096  # records decoded at a time
_Columns = tuple[str, str | None, tuple[str, ...]]  # features: the image, the label if any, the factors
_LOOKED_AT = 100  # records that tell whether a set is stored as 0 and 1
_DECODING = 3  # part of the cache key; raise it when decoding changes


def load_tfds(config: DataConfig) -> Dataset:
    """A set of images, prepared first if that is possible here.

    ``config.name`` is, after ``tfds:``, ``NAME`` or ``NAME/CONFIG``, with ``:VERSION`` or without. All single
    numbers among its features but the label are carried as factors. A set without a test split gives its
    validation split, or has a share held out. At most as many examples as are asked for are decoded.
    """
    if not config.name.startswith(PREFIX):
        # A set by its own name is small: decoded whole, and cut afterwards, it is cached once for all runs.
        config = replace(config, train_examples=None, test_examples=None)
    name = config.name.removeprefix(PREFIX)
    matched = re.fullmatch(r"(\w+(?:/\w[\w.+-]*)?)(?::(\d+\.\d+\.\d+))?", name)
    if matched is None:
        raise UserError(f"data.name: expected tfds:NAME or tfds:NAME:1.2.3, got {'tfds:' + name!r}")
    name, version = matched.groups()
    root = config.directory or Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    source = _prepared(name, version, root.expanduser())
    drawn = (config.train_examples, config.test_examples)
    form = (config.image, config.label, config.crop, config.resize, config.color)
    key = fingerprint(source.iterdir(), _DECODING, form, drawn, config.seed if any(drawn) else 0)
    with within(source):
        arrays = cached(f"{name.replace('/', '-')}-{source.name}-{key}", lambda: _decode(source, config))
    splits: list[Split[Any]] = [
        Split(*(arrays.get(f"{part}_{field}") for field in ("x", "labels", "factors")))
        for part in ("train", "test")
        if f"{part}_x" in arrays
    ]
    origin = f"{TITLES.get(name, name)} {source.name} as TFDS prepares it"
    if len(splits) == 1:
        splits = [*hold_out(splits[0], config.test_fraction, config.seed)]
        origin += f", test examples held out at random (seed {config.seed})"
    return Dataset(
        name=name,
        train=splits[0].take(slice(None)),
        test=splits[1],
        label_names=tuple(map(str, arrays.get("label_names", ()))),
        factor_names=tuple(map(str, arrays.get("factor_names", ()))),
        description=origin,
    )


def _prepared(name: str, version: str | None, root: Path) -> Path:
    """The folder of the version that is asked for, or of the newest prepared one."""
    title, where = TITLES.get(name, name), root / name / (version or "")

    def there() -> Path | None:
        folders = [
            path
            for path in (root / name).glob(version or "*.*.*")
            if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "dataset_info.json").is_file()
        ]
        return max(folders, key=lambda path: [*map(int, path.name.split("."))], default=None)

    if found := there():
        return found
    if name not in OWN_BUILDERS and importlib.util.find_spec("tensorflow") is None:
        hint = "point --data.directory or TFDS_DATA_DIR to a folder that has it, or pip install tensorflow"
        raise UserError(f"{where}: no prepared {title} there; {hint} to prepare it once")
    import tensorflow_datasets

    if name in OWN_BUILDERS:
        import vsc_jax.data.tfds_builders  # noqa: F401, whose builders are known once it is imported
    asked = name if version is None else f"{name}:{version}"
    try:
        tensorflow_datasets.builder(asked, data_dir=root, file_format="array_record").download_and_prepare()
    except Exception as error:  # network, disk and TensorFlow fail in their own ways
        raise UserError(f"{where}: could not prepare {title} ({_line(error)})") from error
    if found := there():
        return found
    raise UserError(f"{where}: expected a prepared {title} there, found none; name its configuration")


def _decode(source: Path, config: DataConfig) -> dict[str, np.ndarray]:
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder_from_directory(source)
        features = _leaves(builder.info.features)
        stored, splits = builder.info.file_format.value, list(builder.info.splits)
    except Exception as error:  # whatever a damaged description leads to
        raise UserError(f"cannot be read as a TFDS set ({_line(error)})") from error
    if stored != "array_record":
        build = f"tfds build {builder.name} --file_format=array_record"
        raise UserError(f"expected ArrayRecord files, got {stored}; in another folder, {build} makes them")
    columns = image, label, factors = _columns(features, config)
    if config.color == "auto":
        config = replace(config, color="grey" if features[image].shape[-1] == 1 else "rgb")
    if "train" not in splits:
        raise UserError(f"expected a split train, found {', '.join(splits) or 'none'}")
    arrays = {"factor_names": np.array(factors)} if factors else {}
    most = math.inf
    if label is not None:
        bools = ["no", "yes"] if np.dtype(features[label].np_dtype).kind == "b" else []
        arrays["label_names"] = np.array(getattr(features[label], "names", None) or bools)
        most = len(arrays["label_names"]) - 1.0 if len(arrays["label_names"]) else most
    test = next((split for split in ("test", "validation") if split in splits), None)
    limits = {"train": config.train_examples, test: config.test_examples}
    if test is None:  # the test examples are some of the training split
        limits = {"train": None if None in limits.values() else sum(filter(None, limits.values()))}
    for part, (split, limit) in zip(("train", "test"), limits.items(), strict=False):
        decoded = _decode_split(builder, str(split), columns, config, limit, source)
        if "labels" in decoded and (index := first_outside(decoded["labels"], 0.0, most)) is not None:
            got = f"expected a class from 0 to {most:g}, got {decoded['labels'][index]}"
            raise UserError(f"example {index[0]} of the {split} split: {label}: {got}")
        arrays |= {f"{part}_{name}": array for name, array in decoded.items()}
    return arrays


def _leaves(features: Any, prefix: str = "") -> dict[str, Any]:
    """All features by their path, those inside others as ``a/b``."""
    leaves: dict[str, Any] = {}
    for name, feature in features.items():
        inner = hasattr(feature, "items")
        leaves |= _leaves(feature, f"{prefix}{name}/") if inner else {prefix + name: feature}
    return dict(sorted(leaves.items()))  # the description's own order differs from reading to reading


def _columns(features: dict[str, Any], config: DataConfig) -> _Columns:
    """Which features are the image, the label and the factors."""
    import tensorflow_datasets

    kinds = {name: np.dtype(each.np_dtype).kind for name, each in features.items() if each.shape == ()}
    images = [name for name in features if isinstance(features[name], tensorflow_datasets.features.Image)]
    image = config.image or ("image" if "image" in images else images[0] if len(images) == 1 else "none")
    if image not in images:
        there = ", ".join(images) or "there are none"
        raise UserError(f"data.image: expected one of the features with images ({there}), got {image}")
    if (dtype := np.dtype(features[image].np_dtype)) != np.uint8:
        raise UserError(f"{image}: expected images of uint8, got {dtype}")
    numbers, classes = ([name for name in kinds if kinds[name] in wanted] for wanted in ("biuf", "biu"))
    label = config.label or ("label" if "label" in numbers else None)
    if label is not None and label not in classes:
        there = ", ".join(classes) or "(there are none)"
        raise UserError(f"data.label: expected one of the features {there}, got {label}")
    return image, label, tuple(name for name in numbers if name != label)


def _without_images(features: Any) -> dict[str, Any]:
    """Decoders that leave every image as the bytes of its file."""
    from tensorflow_datasets import decode
    from tensorflow_datasets import features as kinds

    images = {name: decode.SkipDecoding() for name in features if isinstance(features[name], kinds.Image)}
    inner = {name: _without_images(each) for name, each in features.items() if hasattr(each, "items")}
    return images | {name: decoders for name, decoders in inner.items() if decoders}


def _decode_split(
    builder: Any, split: str, columns: _Columns, config: DataConfig, limit: int | None, source: Path
) -> dict[str, np.ndarray]:
    """Uint8 images ``x``, and int32 ``labels`` and float32 ``factors`` if any, of ``limit`` records."""
    image, label, factors = columns
    try:
        # Pillow by itself decodes a PNG in half the time that TFDS takes around it.
        records = builder.as_data_source(split=split, decoders=_without_images(builder.info.features))
        chosen = np.arange(len(records))[sample_rows(len(records), limit or len(records), config.seed)]
        n, white, x = len(chosen), 255, np.empty(0, np.uint8)
        labels, values = np.empty(n, np.int32), np.empty((n, len(factors)), np.float32)
        for start in range(0, n, _BATCH):
            examples = records.__getitems__(chosen[start : start + _BATCH].tolist())
            if start == 0:
                looked_at = (_at(example, image) for example in examples[:_LOOKED_AT])
                if max(int(fitted(picture, DataConfig(), "rgb").max()) for picture in looked_at) == 1:
                    white = 1  # pictures of nothing but 0 and 1, as dsprites has them
            for row, example in enumerate(examples, start):
                with within(f"example {chosen[row]} of the {split} split"):
                    picture = fitted(_at(example, image), config, config.color, white)
                    if row > 0:
                        check_size(picture.shape, x.shape[1:], "the first")
                if row == 0:
                    what = f"{n:,} images of the {split} split"
                    check_memory(n * picture.nbytes, what, "data.resize or data.train_examples")
                    x = scratch((n, *picture.shape), np.uint8)
                x[row] = picture
                labels[row] = 0 if label is None else _at(example, label)
                values[row] = [_at(example, name) for name in factors]
    except UserError:
        raise
    except Exception as error:  # ArrayRecord, protobuf and Pillow each have errors of their own
        files = [path.name for path in source.glob(f"*-{split}.array_record*")]
        what = f"{files[0]}: cannot" if len(files) == 1 else "cannot"
        reason = f"damaged or incomplete ({_line(error)}); prepare or copy the set again"
        raise UserError(f"{what} be read as the {split} split, {reason}") from error
    if n == 0:
        raise UserError(f"expected examples in the {split} split, found none")
    known = {"labels": labels} if label is not None else {}
    return {"x": x, **known, **({"factors": values} if factors else {})}


def _at(example: Any, path: str) -> Any:
    for name in path.split("/"):
        example = example[name]
    return example


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {in_a_line(error)}"
