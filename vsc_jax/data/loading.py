"""From the data section of the configuration, or from your own data in any form, to a data set."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError, within
from vsc_jax.config.paths import as_path
from vsc_jax.data import literature, smiley, tfds, uci_har
from vsc_jax.data.arrays import from_arrays, named, read_arrays
from vsc_jax.data.dataset import Dataset, Split, check_range
from vsc_jax.data.examples import Examples, bernoulli_draw, select
from vsc_jax.data.images import read_folder
from vsc_jax.data.tables import from_frame, is_frame, is_table, read_table
from vsc_jax.models import scaling

_SHUFFLED = ("smiley", *tfds.TITLES)  # sets whose first examples are a fair sample of all
_MOST_NAMES = 5  # in a note


def load(config: DataConfig, data: Any = None) -> Dataset:
    """The data set that the configuration names, cut to size, scaled and binarized as it says.

    Args:
      config: the data section; ``path`` goes before ``name``.
      data: data to use in place of those: a :class:`Dataset`, which is returned as it is; a pandas or polars
        frame or an Arrow table (``config.label`` names the column of classes); an array, a sparse matrix or
        anything that NumPy makes an array of; a tuple of examples, which may be a frame, and labels; a
        mapping with x and, optionally, y, x_test, y_test and channels; or a path.

    Raises:
      UserError: naming the file, field or value that cannot be used.
    """
    if isinstance(data, Dataset):
        return data
    try:
        whole = _source(config) if data is None else load_own(config, data)
    except MemoryError:
        both = "data.train_examples, data.test_examples"
        raise UserError(f"{both}: the examples do not fit in memory") from None
    if config.binarize == "literature":
        if data is not None or config.source != "tfds" or config.name not in tfds.TITLES:
            there = whole.name if data is not None else called(config)
            raise UserError(f"data.binarize: literature is for {' and '.join(tfds.TITLES)}, not for {there}")
        whole = literature.with_fixed_bits(whole)
    shuffled = data is None and config.path is None and config.name in _SHUFFLED
    dataset = _cut(whole, config, shuffled=shuffled)
    kind, signals = config.scaling, dataset.form == "signal"
    if kind == "auto":
        kind = "standardize" if signals else "none"
    if kind != "none":
        if config.binarize != "none":
            raise UserError(f"data.scaling: expected none with data.binarize {config.binarize}, got {kind}")
        if dataset.scaling is None or len(dataset.train) < len(whole.train):
            dataset = replace(dataset, scaling=scaling.fit(kind, dataset.train.x, signals=signals))
    if config.binarize != "none":
        check_range(dataset, "bernoulli", f"data.binarize {config.binarize}")
    dataset = replace(dataset, description=_describe(dataset, config))
    if config.binarize == "static":
        train, test = np.random.default_rng(config.seed).spawn(2)
        dataset = replace(
            dataset,
            train=replace(dataset.train, x=_binary(dataset.train.x, train)),
            test=replace(dataset.test, x=np.asarray(_binary(dataset.test.x, test))),
        )
    return dataset


def called(config: DataConfig) -> str:
    """What the data set that the configuration names is called."""
    if config.path is not None and config.name != "uci_har":
        return config.path.expanduser().name
    return config.name.removeprefix(tfds.PREFIX).partition(":")[0]


def can_load(config: DataConfig) -> bool:
    """Whether the configuration names data at all; it does not where they were given from Python."""
    return config.path is not None or config.name in SOURCES or config.name.startswith(tfds.PREFIX)


def _source(config: DataConfig) -> Dataset:
    known = config.name.startswith(tfds.PREFIX)
    named_path = Path(config.name.removeprefix(tfds.PREFIX)) if known else None
    for field, path in (("path", config.path), ("directory", config.directory), ("name", named_path)):
        if path is not None:
            as_path(path, f"data.{field}")
    if config.path is not None and config.name != "uci_har":
        return load_own(config, config.path)
    if known:
        return tfds.load_tfds(config)
    if config.name not in SOURCES:
        near = difflib.get_close_matches(config.name.lower().replace("-", "_"), SOURCES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"data.name: expected {', '.join(SOURCES)} or tfds:NAME, got {config.name!r}{hint}")
    return SOURCES[config.name](config)


SOURCES: dict[str, Callable[[DataConfig], Dataset]] = {
    "smiley": smiley.load_smiley,
    **dict.fromkeys(tfds.TITLES, tfds.load_tfds),
    "uci_har": lambda config: uci_har.load_uci_har(config.path, config.representation),
}
"""What ``data.name`` may be, and who loads it."""


def load_own(
    config: DataConfig, data: Any, *, whole: bool = False, channel_names: Sequence[str] = ()
) -> Dataset:
    """Your own data: a path to a file of arrays, a table or a folder of images, or what is in memory.

    Args:
      config: how the data are read, held out and scaled.
      data: as for :func:`load`, or a path.
      whole: all examples as they are, for a model that is trained: the test part is empty, if the data have
        none, and values may be missing (NaN), as may the column of classes.
      channel_names: names of the channels if examples are signals and do not name them.
    """
    path, parts = None, {}
    if isinstance(data, str | Path):
        path = as_path(data, "data.path")
        table = is_table(path)
        if path.is_dir() and not table:
            parts = read_folder(path, config)  # whose errors name the file
        with within(path):
            if table:
                read = read_table(path, config.label, config.header, config.separator, partial=whole)
                parts = read._asdict()
            parts = {**(parts or read_arrays(path)), "name": path.name}
    elif is_frame(data):
        parts = {"name": "frame", **from_frame(data, config.label, partial=whole)._asdict()}
    else:
        parts = _in_memory(data, whole)
    with nullcontext() if path is None else within(path):
        files = tuple(parts.pop("files", ()))
        parts["channel_names"] = parts.get("channel_names") or channel_names
        if not whole and config.label is not None and "y_name" not in parts:
            note = f"data.label {config.label} is not used: the data are no table with a column of labels"
            parts["notes"] = (*parts.get("notes", ()), note)
        # What the scaling ``auto`` is, is decided when the form of the data is known.
        kind = "none" if config.scaling == "auto" else config.scaling
        held_out: Any = {"test_fraction": config.test_fraction, "seed": config.seed}
        return replace(
            from_arrays(**parts, scaling=kind, whole=whole, **held_out), files=files if whole else ()
        )


def _in_memory(data: Any, whole: bool) -> dict[str, Any]:
    """Arrays and frames of examples, with or without labels, as :func:`from_arrays` takes them."""
    if isinstance(data, tuple):
        if len(data) != 2:
            raise UserError(f"expected a tuple of examples and labels, got {len(data)} entries")
        data = dict(zip(("x", "y"), data, strict=True))
    arrays = named(data if isinstance(data, Mapping) else {"x": data})
    notes: dict[str, None] = {}  # in order, each once
    for name in ("x", "x_test"):
        if is_frame(arrays.get(name)):
            table = from_frame(arrays[name], partial=whole)
            arrays[name] = table.x
            arrays.setdefault("column_names", table.column_names)
            notes |= dict.fromkeys(table.notes)
    return arrays | {"notes": tuple(notes)}


def _cut(dataset: Dataset, config: DataConfig, *, shuffled: bool) -> Dataset:
    """At most as many examples as are asked for: the first of a shuffled set, else drawn at random."""
    parts: dict[str, Any] = {}
    notes, names = list(dataset.notes), dataset.label_names
    for part, n in (("train", config.train_examples), ("test", config.test_examples)):
        if n is None:
            continue
        split: Split = getattr(dataset, part)
        parts[part] = split = split.first(n) if shuffled else split.sample(n, config.seed)
        there = range(len(names)) if split.labels is None else np.unique(split.labels)
        if absent := [name for i, name in enumerate(names) if i not in there]:
            first = ", ".join(absent[:_MOST_NAMES]) + ", ..." * (len(absent) > _MOST_NAMES)
            classes = f"{len(absent)} of {len(names)} classes"
            notes.append(f"data.{part}_examples {n:,} leaves no example of {classes}: {first}")
    return replace(dataset, **parts, notes=tuple(notes))


def _binary(x: Examples, rng: np.random.Generator) -> Examples:
    """One Bernoulli draw of every value: images of 0 and 255, vectors of 0 and 1."""
    drawn = bernoulli_draw(x, rng)
    return drawn if x.ndim > 2 else select(drawn, convert=lambda part: (part // 255).astype(np.float32))


def _describe(dataset: Dataset, config: DataConfig) -> str:
    """The data set's origin, then sizes and what the values are."""
    shape, signal = dataset.example_shape, dataset.form == "signal"
    what = f"vectors of {shape[0]} values" if len(shape) == 1 else f"images of {' x '.join(map(str, shape))}"
    if signal:
        what = f"signals of {shape[0]} steps in {shape[1]} channels"
    if config.binarize != "none":
        values = {
            "static": f"binarized once (seed {config.seed})",
            "dynamic": "binarized anew at every draw",
            "literature": "binarized anew at every draw for training, once for the test"
            " (the literature's bits)",
        }[config.binarize]
    elif dataset.scaling is not None:
        values = f"values {dataset.scaling}"
    elif dataset.name == "smiley":
        values = "binary pixels"
    elif len(shape) == 1 or signal:
        values = "values as given"
    else:
        values = f"{'grey pixels' if shape[2:] in ((), (1,)) else 'color values'}, not binarized"
    sizes = f"{len(dataset.train):,} training and {len(dataset.test):,} test {what}"
    return f"{dataset.description}: {sizes}, {values}."
