"""From the data section of the configuration to a data set."""

import dataclasses
import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import own, smiley, tfds, uci_har
from vsc_jax.data.binarize import bernoulli_draw
from vsc_jax.data.dataset import Dataset, Split, check_unit_range
from vsc_jax.data.examples import Examples, select
from vsc_jax.data.pictures import Fit
from vsc_jax.models import scaling

_TFDS = "tfds:"
_SHUFFLED = ("smiley", *tfds.TITLES)  # sets whose first examples are a fair sample of all
_MOST_NAMES = 5  # in a note
_SMILEY_BYTES = 2400  # of an example while it is drawn


def load(config: DataConfig, data: Any = None) -> Dataset:
    """The data set that the configuration names, cut to size, scaled and binarised as it says.

    Args:
      config: the data section; ``path`` goes before ``name``.
      data: data to use in place of those; see :func:`vsc_jax.data.own.as_dataset`. A data set is returned
        as it is.

    Raises:
      UserError: naming the file, field or value that cannot be used.
    """
    if isinstance(data, Dataset):
        return data
    for field, path in (("data.path", config.path), ("data.directory", config.directory)):
        if path is not None:
            _check_path(path, field)
    try:
        dataset = _source(config) if data is None else own.as_dataset(data, config)
    except MemoryError:
        raise UserError(
            "data.train_examples, data.test_examples: the examples do not fit in the memory"
        ) from None
    dataset = _scaled(
        _cut(dataset, config, shuffled=data is None and config.path is None and config.name in _SHUFFLED),
        config,
    )
    if config.binarize != "none":
        check_unit_range(dataset, f"data.binarize {config.binarize}")
    dataset = dataclasses.replace(dataset, description=_describe(dataset, config))
    if config.binarize == "static":
        train_stream, test_stream = np.random.default_rng(config.seed).spawn(2)
        dataset = dataclasses.replace(
            dataset,
            train=dataclasses.replace(dataset.train, x=_binary(dataset.train.x, train_stream)),
            test=dataclasses.replace(dataset.test, x=np.asarray(_binary(dataset.test.x, test_stream))),
        )
    return dataset


def _cut(dataset: Dataset, config: DataConfig, *, shuffled: bool) -> Dataset:
    """At most as many examples as are asked for: the first of a shuffled set, else drawn at random."""
    parts: dict[str, Any] = {}
    notes = list(dataset.notes)
    for part, n in (("train", config.train_examples), ("test", config.test_examples)):
        if n is None:
            continue
        split: Split[Any] = getattr(dataset, part)
        parts[part] = split = split.first(n) if shuffled else split.sample(n, config.seed)
        if split.labels is not None:
            absent = [
                name for label, name in enumerate(dataset.label_names) if not (split.labels == label).any()
            ]
            if absent:
                names = ", ".join(absent[:_MOST_NAMES]) + ", ..." * (len(absent) > _MOST_NAMES)
                classes = f"{len(absent)} of {len(dataset.label_names)} classes"
                notes.append(f"data.{part}_examples {n:,} leaves no example of {classes}: {names}")
    return dataclasses.replace(dataset, **parts, notes=tuple(notes))


def _binary(x: Examples, rng: np.random.Generator) -> Examples:
    """One Bernoulli draw of every value: images of 0 and 255, vectors of 0 and 1."""
    if x.ndim > 2:
        return select(bernoulli_draw(x, rng))
    return select(bernoulli_draw(x, rng), convert=lambda drawn: (drawn // 255).astype(np.float32))


def called(config: DataConfig) -> str:
    """What the data set that the configuration names is called."""
    if config.path is not None and config.name != "uci_har":
        return config.path.expanduser().name
    return config.name.removeprefix(_TFDS).partition(":")[0]


def can_load(config: DataConfig) -> bool:
    """Whether the configuration names data at all; it does not where they were given from Python."""
    return config.path is not None or config.name in SOURCES or config.name.startswith(_TFDS)


def _check_path(path: Path, field: str) -> None:
    """Refuse what the system does not take for a path; whether something is there its reader will say."""
    try:
        os.stat(path.expanduser())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{field}: {str(path)!r} cannot be a path ({error})") from None


def _source(config: DataConfig) -> Dataset:
    if config.path is not None and config.name != "uci_har":
        return own.load_path(config.path, config)
    if config.name.startswith(_TFDS):
        _check_path(Path(config.name.removeprefix(_TFDS)), "data.name")
        return _tfds(config)
    if config.name not in SOURCES:
        near = difflib.get_close_matches(config.name.lower().replace("-", "_"), SOURCES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"data.name: expected {', '.join(SOURCES)} or tfds:NAME, got {config.name!r}{hint}")
    return SOURCES[config.name](config)


def _smiley(config: DataConfig) -> Dataset:
    def split(stream: int, n: int) -> Split:
        if n * _SMILEY_BYTES > psutil.virtual_memory().total:
            raise MemoryError  # before the system runs out of it
        faces = smiley.generate((config.seed, stream), n, config.presence)
        images = faces.images if config.image_size == smiley.SIDE else smiley.crop(faces.images)
        return Split(images * np.uint8(255), factors=faces.factors, presence=faces.presence)

    return Dataset(
        name="smiley",
        train=split(0, config.train_examples or smiley.EXAMPLES["train"]),
        test=split(1, config.test_examples or smiley.EXAMPLES["test"]),
        factor_names=smiley.FACTORS,
        description=f"Smiley drawn from seed {config.seed} with attribute presence {config.presence:g}",
    )


def _tfds(config: DataConfig) -> Dataset:
    # A set by its own name is small: decoded whole, and cut afterwards, it is kept once for all runs.
    cut = config.name.startswith(_TFDS)
    request = tfds.Request(
        image=config.image,
        label=config.label,
        fit=Fit(config.crop, config.resize, config.colour),
        train=config.train_examples if cut else None,
        test=config.test_examples if cut else None,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    return tfds.load_tfds(config.name.removeprefix(_TFDS), config.directory, request)


SOURCES: dict[str, Callable[[DataConfig], Dataset]] = {
    "smiley": _smiley,
    **dict.fromkeys(tfds.TITLES, _tfds),
    "uci_har": lambda config: uci_har.load_uci_har(config.path, config.representation),
}
"""What ``data.name`` may be, and who loads it."""


def _scaled(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with the scaling that the configuration asks for, taken from the training examples."""
    kind, signals = config.scaling, dataset.form == "signal"
    if kind == "auto":
        kind = "standardise" if signals else "none"
    if kind == "none":
        return dataset
    if config.binarize != "none":
        raise UserError(f"data.scaling: expected none with data.binarize {config.binarize}, got {kind}")
    return dataclasses.replace(dataset, scaling=scaling.fit(kind, dataset.train.x, signals=signals))


def _describe(dataset: Dataset, config: DataConfig) -> str:
    """The data set's origin, then sizes and what the values are."""
    shape = dataset.example_shape
    what = f"vectors of {shape[0]} values" if len(shape) == 1 else f"images of {' x '.join(map(str, shape))}"
    if dataset.form == "signal":
        what = f"signals of {shape[0]} steps in {shape[1]} channels"
    if config.binarize == "static":
        values = f"binarised once (seed {config.seed})"
    elif config.binarize == "dynamic":
        values = "binarised anew at every draw"
    elif dataset.scaling is not None:
        values = f"values {dataset.scaling}"
    elif dataset.name == "smiley":
        values = "binary pixels"
    elif len(shape) == 1 or dataset.form == "signal":
        values = "values as given"
    else:
        values = "grey pixels, not binarised" if shape[2:] in ((), (1,)) else "colour values, not binarised"
    sizes = f"{len(dataset.train):,} training and {len(dataset.test):,} test {what}"
    return f"{dataset.description}: {sizes}, {values}."
