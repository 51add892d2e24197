"""``train.steps auto``: how many iterations to train for, found by doubling.

All schedules are fractions of the steps, so that a longer run is not a shorter one gone on with: each number
is trained from the start, on the training examples less a validation part, and judged by that part. It has to
be better than half of it by more than a standard error of the paired differences (the rule of Breiman et al.,
*Classification and Regression Trees*, 1984, section 3.4.3). The smallest and the largest tenth of these are
left out: one example that is unlike all others can weigh more than the rest together. Test examples are not
looked at.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vsc_jax.config import Config, replaced
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import read_json
from vsc_jax.config.stopping import Stopped, stop_requests
from vsc_jax.data import Dataset, streams
from vsc_jax.data.streams import Stream
from vsc_jax.models import Model
from vsc_jax.training.loop import TrainingError, train
from vsc_jax.training.memory import memory_errors
from vsc_jax.training.run_folder import Row, write_json

STEPS_FILE = "steps.json"
"""In a run folder: the validation part's scores for each number of steps, and the number that was found."""
LEAST_GAIN = 0.2
"""Nats per example that are worth twice the steps."""
DOUBLINGS = 8
"""The search ends with the first doubling that brings less, or after so many. It begins at two
``train.log_every``: 200, and it ends at 51,200, where that is 100."""
_SHARE, _FEWEST, _MOST = 0.1, 50, 1000  # of the training examples are held out
_DRAWS = 8  # posterior samples that the bound of an example is averaged over
_TRIMMED = 0.1  # of the differences at each end

Scores = dict[int, np.ndarray]  # of the validation examples, float32 [n], by the number of steps


def with_steps(
    config: Config,
    dataset: Dataset,
    folder: Path | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Config:
    """The configuration with a number of steps: its own, or where that is auto the best on held-out examples.

    Args:
      config: the run.
      dataset: its data; only the training split is used.
      folder: run folder, already claimed; a search that was stopped goes on from what it holds.
      on_stage: called with a line that begins with ``train.steps`` for each number tried, and with others.

    Raises:
      UserError: if there are too few examples, or the folder holds a damaged ``steps.json``.
      TrainingError: if training with the first number of steps does not stay finite.
      Stopped: on SIGINT or SIGTERM, where there is a run folder.
    """
    if config.train.steps != "auto":
        return config
    if folder is not None and (known := steps_found(folder, config)).train.steps != "auto":
        return known
    say = on_stage or (lambda stage: None)
    rest, held_out = _parts(config, dataset)
    first, scores = 2 * config.train.log_every, {}
    path = None if folder is None else folder / STEPS_FILE
    if path is not None and path.exists():
        scores = _read(path, first, len(held_out))
    with contextlib.nullcontext(lambda: None) if path is None else stop_requests() as stop:
        while not _done(scores):
            steps = first * 2 ** len(scores)

            def on_row(row: Row, steps: int = steps) -> None:
                say(f"trying {steps:,} steps: {row['step']:,}")
                if (number := stop()) is not None:
                    kept = "numbers of steps that are done are kept; the same command goes on from there"
                    raise Stopped(f"stopped by {number.name} in the search for train.steps; {kept}", number)

            try:
                scores[steps] = _scores(replaced(config, {"train.steps": steps}), rest, held_out, on_row)
            except TrainingError:
                if not scores:
                    raise
                scores[steps] = np.full_like(scores[first], np.nan)
            if path is not None:
                values = {str(number): each.tolist() for number, each in scores.items()}
                write_json(path, {"steps": _best(scores) if _done(scores) else None, "scores": values})
            say(_line(scores))
    return replaced(config, {"train.steps": _best(scores)})


def steps_found(folder: Path, config: Config) -> Config:
    """The configuration of a run folder with the number of steps that was found, where it is known."""
    path = folder / STEPS_FILE
    if config.train.steps != "auto" or not path.is_file():
        return config
    steps = read_json(path).get("steps")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise UserError(f"{path}: steps: expected a positive integer or null, got {steps!r:.60}")
    return config if steps is None else replaced(config, {"train.steps": steps})


def _parts(config: Config, dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """The data set with fewer training examples, repeated if a batch has more; those that are held out."""
    n, examples, name = len(dataset.train), dataset.train.x, config.model.likelihood
    order = streams.generator(config.seed, Stream.VALIDATION).permutation(n)
    if name == "categorical":  # the first of every class stays: groups of columns are found by them
        order = order[~np.isin(order, np.argmax(np.asarray(examples), axis=0))]
    count = min(max(round(_SHARE * n), _FEWEST), _MOST, n // 2, len(order))
    if count < 2:
        raise UserError(f"train.steps: auto needs more training examples to hold some out, got {n}")
    from vsc_jax.evaluation.results import binarized

    held_out = np.sort(order[:count])
    rows = np.setdiff1d(np.arange(n), held_out)
    rows = np.tile(rows, -(-config.train.batch_size // len(rows)))
    pixels = streams.generator(config.seed, Stream.VALIDATION, 1)
    measured = binarized(np.asarray(examples[held_out]), config.data.binarize, pixels)
    return replace(dataset, train=dataset.train.take(rows)), measured


def _scores(config: Config, dataset: Dataset, x: np.ndarray, on_row: Callable[[Row], None]) -> np.ndarray:
    from vsc_jax.evaluation.encoding import map_batches  # when it is due, as in finish

    model = train(config, dataset, on_row=on_row).model
    key, size = streams.key(config.seed, Stream.BUDGET), config.evaluate.batch_size
    with memory_errors("evaluate.batch_size: too many at a time"):
        scores: np.ndarray = map_batches(_bound, model, x, key, batch_size=size)
    return scores


def _bound(model: Model, x: Float[Array, "n ..."], key: PRNGKeyArray) -> Float[Array, " n"]:
    name = "elbo" if model.variational else "reconstruction"
    return jnp.mean(jax.vmap(lambda key: model.bounds(x, key)[name])(jax.random.split(key, _DRAWS)), axis=0)


def _gain(scores: Scores) -> tuple[float, float]:
    """:func:`_trimmed` of what the last doubling brought; what is not finite is worse than all else."""
    last = list(scores.values())[-2:]
    old, new = (np.where(np.isfinite(each), each, -np.inf).astype(np.float64) for each in last)
    with np.errstate(invalid="ignore"):
        return _trimmed(np.where(new == old, 0, new - old))


def _trimmed(values: np.ndarray) -> tuple[float, float]:
    """Mean without the smallest and the largest tenth, and its standard error (Yuen, Biometrika, 1974)."""
    values, cut = np.sort(values), int(_TRIMMED * len(values))
    middle = values[cut : len(values) - cut]
    if not np.isfinite(mean := float(middle.mean(dtype=np.float64))):
        return mean, 0.0
    spread = np.clip(values, middle[0], middle[-1]).std(ddof=1)
    return mean, float(spread * len(values) ** 0.5 / len(middle))


def _best(scores: Scores) -> int:
    """The last number of steps if it was better than the one before it, else that one."""
    *before, last = scores
    if not before:
        return last
    gain, error = _gain(scores)
    return last if gain > error else before[-1]


def _done(scores: Scores) -> bool:
    if not 2 <= len(scores) <= DOUBLINGS:
        return len(scores) > DOUBLINGS
    gain, error = _gain(scores)
    return not gain > max(error, LEAST_GAIN)


def _line(scores: Scores) -> str:
    """What the last number of steps has brought."""
    *before, steps = scores
    line = f"train.steps {steps:,}: validation bound {_trimmed(scores[steps])[0]:.2f} nats"
    if before:
        line += " ({:+.2f} ± {:.2f})".format(*_gain(scores))
    return line + (f"; {_best(scores):,} are taken" if _done(scores) else "; go on")


def _read(path: Path, first: int, count: int) -> Scores:
    """The scores of a search that was stopped, or is done."""
    scores = read_json(path).get("scores")
    numbers = [str(first * 2**doublings) for doublings in range(DOUBLINGS + 1)]
    if not isinstance(scores, Mapping) or list(scores) != numbers[: len(scores)]:
        raise UserError(f"{path}: scores: expected lists for {', '.join(numbers[:3])}, ... steps")
    for steps, values in scores.items():
        right = isinstance(values, list) and len(values) == count
        if not right or not all(value is None or type(value) is float for value in values):
            raise UserError(f"{path}: scores: expected {count} numbers for {steps} steps")
    return {int(steps): np.array(values, np.float32) for steps, values in scores.items()}  # None becomes NaN
