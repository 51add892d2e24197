"""A run from configuration to results: train, evaluate, draw, save, and open again."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import nnx

from vsc_jax import data as data_package
from vsc_jax.config import Config, to_dict, validate
from vsc_jax.config.errors import UserError
from vsc_jax.config.paths import as_path
from vsc_jax.data import Dataset
from vsc_jax.data.files import writing
from vsc_jax.data.identity import describe, save_examples
from vsc_jax.data.loading import called, can_load
from vsc_jax.models import Model, scaling
from vsc_jax.run.steps import with_steps
from vsc_jax.run.stored import MODEL_FILE, PRETRAINED, StoredRun, find, load, open_run
from vsc_jax.training.checkpoints import named_leaves
from vsc_jax.training.loop import Trained, check, train
from vsc_jax.training.memory import memory_errors
from vsc_jax.training.processes import is_first, leave
from vsc_jax.training.run_folder import Row, claim, hold, read_results, write_file, write_json

if TYPE_CHECKING:
    from vsc_jax.evaluation.diagnosis import Finding

__all__ = [
    "MODEL_FILE",
    "PRETRAINED",
    "Run",
    "StoredRun",
    "find",
    "finish",
    "fit",
    "load",
    "open_run",
    "save",
]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
      model: the trained model, with ``encode``, ``decode``, ``reconstruct`` and ``sample``.
      results: test metrics, as in ``results.json``; likelihoods in nats per example.
      history: the rows of ``metrics.jsonl``: training metrics averaged between two log points.
      workdir: the run folder, or None.
      config: the configuration that was trained, with the number of steps that was found; where the data were
        given from Python its ``data.name`` is what they are called.
      data: what the data were, as in ``data.json``.
      facts: the numbers that each figure shows, for those that this call has drawn.
    """

    model: Model
    results: dict[str, Any]
    history: list[Row]
    workdir: Path | None
    config: Config
    data: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def findings(self) -> "list[Finding]":
        """What seems wrong with the run, and what to try; see :mod:`vsc_jax.evaluation.diagnosis`."""
        from vsc_jax.evaluation.diagnosis import diagnose

        return diagnose(self.results, self.config)


def fit(
    config: Config,
    workdir: str | Path | None = None,
    *,
    dataset: Any = None,
    on_row: Callable[[Row], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Run:
    """Train a model, evaluate it on the test set and draw its first figures.

    In a run of several processes (:func:`vsc_jax.training.processes.joined`) the first alone writes and
    evaluates; the others have the model and no results.

    Args:
      config: what to train.
      workdir: run folder; resumed if it holds this very run. None writes nothing to disk.
      dataset: data to use in place of those that ``config.data`` names: a :class:`~vsc_jax.data.Dataset`, or
        your own: an array, examples with labels ``(x, y)``, a mapping of x, y, x_test and y_test, a pandas or
        polars frame, a path. Your own are held out, scaled and binarized as ``config.data`` says, and
        :mod:`vsc_jax.data.identity` says what the run folder keeps of them.
      on_row: called with the newest row of a resumed run, and then with every new row of metrics.
      on_stage: called with a few words before each part of the work: ``compiling``, and before it, for
        ``train.steps`` auto, with a line for each number of steps that is tried (:mod:`vsc_jax.run.steps`).

    Raises:
      UserError: a field, file or folder cannot be used; nothing has been overwritten.
      TrainingError: the loss is no longer finite.
      Stopped: on SIGINT or SIGTERM while training in a run folder, after a checkpoint.
    """
    validate(config)
    if isinstance(dataset, str | Path) and config.data.name != "uci_har":
        path = as_path(dataset, "dataset")
        config, dataset = replace(config, data=replace(config.data, path=path)), None
    given, dataset = dataset is not None, data_package.load(config.data, dataset)
    if given and dataset.name != called(config.data):  # the configuration says which data they are
        config = replace(config, data=replace(config.data, name=dataset.name, path=None))
    check(config, dataset)
    if not is_first():
        trained = train(config, dataset, checked=True)
        leave()
        return Run(trained.model, {}, trained.history, None, config)
    described = describe(dataset)
    folder = None if workdir is None else as_path(workdir, "workdir")
    with contextlib.nullcontext() if folder is None else hold(folder):
        if folder is not None:
            claim(folder, config, described)
            if not can_load(config.data):
                save_examples(folder, dataset, config)
        config = with_steps(config, dataset, folder, on_stage)
        trained = train(config, dataset, folder, on_row, on_stage, checked=True)
        leave()
        return replace(finish(trained, config, dataset, folder, on_stage), data=described)


def finish(
    trained: Trained,
    config: Config,
    dataset: Dataset,
    folder: Path | None,
    on_stage: Callable[[str], None] | None = None,
) -> Run:
    """Measure a trained model and draw its first figures, where the run folder does not have them yet."""
    if folder is not None and (folder / "results.json").exists():
        results = read_results(folder / "results.json")
    else:
        from vsc_jax.evaluation import evaluate  # when it is due: it needs scikit-learn and SciPy

        with memory_errors("evaluate.batch_size, evaluate.samples: too many at a time"):
            results = evaluate(trained.model, dataset, config, history=trained.history, on_stage=on_stage)
        if folder is not None:
            write_json(folder / "results.json", results)
    run = Run(trained.model, results, trained.history, folder, config)
    if folder is None or not config.evaluate.figures or (folder / "figures").exists():
        return run
    if on_stage is not None:
        on_stage("figures")
    from vsc_jax.evaluation.code_view import CodeView
    from vsc_jax.evaluation.results import as_measured
    from vsc_jax.figures import OVERVIEW, draw_all, draw_history
    from vsc_jax.figures.style import as_png

    measured = as_measured(dataset, config.data.binarize, config.seed)
    drawn = dict(draw_all(CodeView(trained.model, measured, seed=config.seed), OVERVIEW))
    if trained.history:
        drawn["history"] = draw_history(trained.history)
    # Renamed when all are there, so that a run stopped while drawing still gets all of its figures.
    temporary = folder / "figures.tmp"
    temporary.mkdir(exist_ok=True)
    for name, (figure, _) in drawn.items():
        write_file(temporary / f"{name}.png", as_png(figure))
    temporary.rename(folder / "figures")
    return replace(run, facts={name: facts for name, (_, facts) in drawn.items()})


def save(run: Run, folder: str | Path, *, half: bool = False) -> Path:
    """Write a run's model for sharing: weights (safetensors), settings, results and a card, ``README.md``.

    The folder is made when missing, and given back; files of a model saved there before are replaced.

    Args:
      run: the run; its results are written as they are.
      folder: where to.
      half: store the weights as float16, in half the space; :func:`load` makes them float32 again.

    Raises:
      UserError: if ``run`` is no run, the folder cannot be written or is a run folder, or float16 does not
        hold a weight.
    """
    from safetensors.flax import save_file

    from vsc_jax.run.model_card import model_card

    if not hasattr(run, "model"):
        raise UserError(f"run: expected what vsc_jax.fit gives, got {type(run).__name__}")
    folder = as_path(folder, "folder")
    if (folder / "checkpoints").exists():
        raise UserError(f"{folder}: is a run folder; save the model to a folder of its own")
    shape = run.model.decoder.example_shape
    leaves = named_leaves(nnx.state(run.model))
    if half:
        leaves = {name: _halved(name, leaf) for name, leaf in leaves.items()}
    data = {"example_shape": list(shape), "scaling": scaling.to_json(run.model.decoder.scaling), **run.data}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", to_dict(run.config))
        write_json(folder / "data.json", data)
        write_json(folder / "results.json", run.results)
        temporary = folder / (MODEL_FILE + ".tmp")
        save_file(leaves, temporary)
        temporary.replace(folder / MODEL_FILE)
        sizes = {name: leaf.shape for name, leaf in leaves.items()}
        write_file(folder / "README.md", model_card(run.config, data, run.results, sizes, half=half))
    return folder


def _halved(name: str, leaf: jax.Array) -> jax.Array:
    largest = float(jnp.finfo(jnp.float16).max)
    if not bool(jnp.all(jnp.abs(leaf) <= largest)):
        raise UserError(f"half: {name} holds values beyond those of float16, {largest:,.0f}")
    return leaf.astype(jnp.float16)
