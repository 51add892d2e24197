"""A run folder, or the folder of a saved model, opened to be read: configuration, model, data."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from vsc_jax import data
from vsc_jax.config import Config, from_json, replaced
from vsc_jax.config.errors import UserError, within
from vsc_jax.config.fields import read_json
from vsc_jax.config.paths import as_path
from vsc_jax.data import Dataset, identity
from vsc_jax.data.dataset import check_values
from vsc_jax.data.loading import can_load, load_own
from vsc_jax.models import VSC, Model, build, parameter_count, scaling
from vsc_jax.models.inputs import as_examples, as_float
from vsc_jax.run.steps import steps_found
from vsc_jax.training.checkpoints import Checkpoints, with_leaves
from vsc_jax.training.memory import check_parameters
from vsc_jax.training.step import initial_state

MODEL_FILE = "model.safetensors"
PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"
"""The folders of the models that come with the package; ``python -m tools.pretrained`` makes them."""


class StoredRun(NamedTuple):
    """A run that :func:`open_run` has found: its folder and its configuration, with the steps it found."""

    folder: Path
    config: Config

    def model(self) -> Model:
        """The model: that of ``model.safetensors``, or of the newest checkpoint."""
        template = _template(self.config, self.folder / "data.json")
        if (path := self.folder / MODEL_FILE).is_file():
            leaves = _weights(path)
            has_classifier = any(name.startswith("classifier/") for name in leaves)
            if isinstance(template, VSC) and template.selection == "exact" and not has_classifier:
                template.classifier = None  # left out of the file: the bound does without
            graph, params = nnx.split(template)
            return nnx.merge(graph, with_leaves(params, leaves, path))
        graph, params = nnx.split(template)
        if not (self.folder / "checkpoints").is_dir():
            raise UserError(f"{self.folder}: no checkpoints; the run has not saved anything yet")
        with Checkpoints(self.folder / "checkpoints") as checkpoints:
            return nnx.merge(graph, checkpoints.restore(jax.eval_shape(initial_state, params)).params)

    def dataset(
        self, given: Any = None, *, config: Config | None = None, directory: Path | None = None
    ) -> Dataset:
        """The data set, seen to be the one that the run was trained on.

        Args:
          given: the data once more, where they were given to :func:`vsc_jax.fit` from Python; without them
            what the run folder keeps is used.
          config: the run's configuration with other settings of the evaluation or another ``data.binarize``.
          directory: folder with prepared TFDS sets, if not the one that the run used.

        Raises:
          UserError: if the data are not at hand, or are not those that ``data.json`` describes.
        """
        folder, stored, config = self.folder, self.config.data.binarize, config or self.config
        described = read_json(folder / "data.json")
        settings = config.data if directory is None else replace(config.data, directory=directory)
        if settings.path is not None and os.path.exists(described.get("path", "")):
            settings = replace(settings, path=Path(described["path"]))
        if given is None and not can_load(settings):
            if "static" in {stored, settings.binarize} and stored != settings.binarize:
                kept = f"the data that {folder} keeps are {stored}"
                raise UserError(f"data.binarize: {kept}, got {settings.binarize}")
            return identity.load_examples(folder, described, config)
        loaded = data.load(replace(settings, binarize=stored), given)
        data.check_range(loaded, config.model.likelihood)
        if found := identity.difference(described, identity.describe(loaded)):
            which = "its config.json names" if given is None else "are given"
            hint = "; those that were given from Python go in with dataset=" if given is None else ""
            raise UserError(f"{folder}: the run was trained on other data than {which} now ({found}){hint}")
        return loaded if settings.binarize == stored else data.load(settings, given)

    def examples(self, given: Any = None, *, directory: Path | None = None) -> Dataset:
        """Examples for the model to encode: the training part, then the test part of the data set.

        Args:
          given: a path or data in memory, as :func:`vsc_jax.fit` takes them, of the shape of the run's own;
            values may be missing (NaN). Without them, the run's test examples as its results measure them.
          directory: as for :meth:`dataset`.

        Raises:
          UserError: naming the file and the value that cannot be used.
        """
        config, described = self.config, read_json(self.folder / "data.json")
        if given is None:
            from vsc_jax.evaluation.results import as_measured

            measured = as_measured(self.dataset(directory=directory), config.data.binarize, config.seed)
            return replace(measured, train=measured.train.first(0))
        shape, constants = tuple(described["example_shape"]), described.get("scaling")
        color, kind = "rgb" if shape[2:] == (3,) else "grey", constants["kind"] if constants else "none"
        settings = replaced(config, {"data.color": color, "data.scaling": kind})
        dataset = load_own(settings.data, given, whole=True, channel_names=described.get("channel_names", ()))
        with within(given) if isinstance(given, str | Path) else nullcontext():
            as_examples(as_float(dataset.train.x[:1]), shape)
            likelihood = config.model.likelihood
            for split in () if constants else (dataset.train, dataset.test):
                check_values(split.x, likelihood, "x", f"likelihood {likelihood}", missing=True)
        return dataset


def pretrained_names() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/config.json"))


def find(folder: str | Path, name: str = "folder") -> Path:
    """The folder itself, or where there is none that of the pretrained model of this name."""
    path = as_path(folder, name)
    return PRETRAINED / path if not path.exists() and str(path) in pretrained_names() else path


def open_run(folder: str | Path, name: str = "folder") -> StoredRun:
    """Open a run folder, the folder of a saved model, or a pretrained model, which is given by its name.

    ``name`` is what an error calls the folder.
    """
    folder = find(folder, name)
    if not (folder / "config.json").is_file():
        nothing = len(folder.parts) == 1 and not folder.exists()
        known = f", and no pretrained model: those are {', '.join(pretrained_names())}" if nothing else ""
        raise UserError(f"{folder}: neither a run folder nor a saved model (no config.json){known}")
    try:
        return StoredRun(folder, steps_found(folder, from_json(folder / "config.json")))
    except UserError as error:
        newer = "; was the run made by a newer version of vsc_jax?" if "unknown key" in str(error) else ""
        raise UserError(f"{error}{newer}") from None


def load(folder: str | Path) -> Model:
    """The model of a run folder, of a folder written by :func:`vsc_jax.save`, or a pretrained one.

    A pretrained model is given by its name, such as ``smiley_vsc``; a folder that is called so goes before.

    Raises:
      UserError: naming the folder if it is neither, or the file that is missing or damaged.
    """
    return open_run(folder).model()


def _weights(path: Path) -> dict[str, jax.Array]:
    """The arrays of a safetensors file by name; what is stored as float16 is float32 from here on."""
    from safetensors import SafetensorError
    from safetensors.flax import load_file

    try:
        leaves = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from None
    half = {name: leaf.astype(jnp.float32) for name, leaf in leaves.items() if leaf.dtype == jnp.float16}
    return {**leaves, **half}


def _template(config: Config, path: Path) -> Model:
    """The model with shapes in place of parameters."""
    described = read_json(path)
    sides, size = described.get("example_shape"), described.get("train_examples", 1)
    with within(path):
        if not isinstance(sides, list) or not all(isinstance(side, int) and side > 0 for side in sides):
            raise UserError(f"example_shape: expected a list of positive integers, got {sides!r}")
        if not isinstance(size, int) or size < 1:
            raise UserError(f"train_examples: expected a positive integer, got {size!r}")
        shape = tuple(sides)
        constants = scaling.from_json(described.get("scaling"), shape)
    check_parameters(parameter_count(config.model, shape), training=False)
    key = jax.random.key(0)
    return nnx.eval_shape(lambda: build(config.model, shape, key, dataset_size=size, scaling=constants))
