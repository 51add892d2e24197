"""What is wrong with a run, in plain words: a function of its results and its configuration alone.

The command line, the report and the estimator say the same. A finding has an option to try, which exists for
the run's model. Limits are constants of this module; none of them is a test of significance.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from vsc_jax.config import Config

Problem = Literal[
    "not finite", "too short", "collapsed", "always on", "fixed gates", "number on", "overfitted"
]

LATE = 0.1
"""The last share of the iterations, which says whether training has settled."""
_FEWEST = 200  # iterations, in which Adam moves a weight by a tenth or two at the usual rates
_ROWS = 4  # of the log, at least, to see whether the bound has settled
_NATS = 0.5  # that are not worth a word
_STILL_RISING = 0.02  # of the KL divergence, the nats that a code holds: gained over the last tenth
_OVERFITTED = 0.2  # of the KL divergence: the training bound is higher by more
_COLLAPSED = 0.1  # nats of KL divergence; a code of less says nothing
_UNEXPLAINED = 0.01  # share of the variance; an autoencoder's code that explains less says nothing
_MISSED = 0.15  # of the number that is asked for
_USAGE = 10.0  # a weight of the usage term that opens most codes

Row = Mapping[str, Any]


class Finding(NamedTuple):
    """Something that is wrong.

    Attributes:
      name: what it is, in two words.
      says: a sentence with the numbers.
      changes: options of the configuration, each of which may help, with a value to try, the best one first.
    """

    name: Problem
    says: str
    changes: dict[str, Any]

    def __str__(self) -> str:
        return self.in_words()

    def in_words(self, parameters: Collection[str] | None = None) -> str:
        """All of it in one line, for a command line; or for a class that has these parameters."""
        tried = []
        for field, value in self.changes.items():
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            name = field.rpartition(".")[2]
            if parameters is None:
                tried.append(f"--{field} {shown}")
            elif name in parameters:
                tried.append(f"{name}={value!r}" if isinstance(value, str) else f"{name}={shown}")
        return f"{self.name}: {self.says}; try {', or '.join(tried)}"


def late_gain(history: Sequence[Row]) -> float | None:
    """Nats that the bound (an autoencoder's reconstruction) rose over the last tenth of the iterations.

    The mean of that tenth's rows less that of the tenth before, or of the last row before.

    Args:
      history: the rows of ``metrics.jsonl``.

    Returns:
      The nats per example; None if there are too few rows to tell.
    """
    if not history:
        return None
    last = history[-1]["step"]
    key = "elbo" if "elbo" in history[-1] else "reconstruction"
    before = [row for row in history if row["step"] <= (1 - LATE) * last]
    late = [row[key] for row in history[len(before) :]]
    tenth = [row[key] for row in before if row["step"] > (1 - 2 * LATE) * last]
    tenth = tenth or [row[key] for row in before[-1:]]
    return sum(late) / len(late) - sum(tenth) / len(tenth) if tenth else None


def diagnose(results: Mapping[str, Any], config: Config) -> list[Finding]:
    """What is wrong with a run, by the numbers of its results, the likeliest cause first.

    Args:
      results: as in ``results.json``; what is not measured is not judged, so that those of an autoencoder, of
        an older version, or a few numbers alone will do.
      config: the run's configuration.
    """
    if not results:
        return []
    wrong = [name for name in ("elbo", "reconstruction", "iwae") if not math.isfinite(results.get(name, 0.0))]
    if wrong:
        changes: dict[str, Any] = {"train.learning_rate": config.train.learning_rate / 4}
        if config.model.likelihood in ("gaussian", "student_t") and config.data.scaling != "standardize":
            changes = {"data.scaling": "standardize", **changes}
        return [Finding("not finite", f"{wrong[0]} of the test examples is {results[wrong[0]]}", changes)]
    found, collapsed = [*_too_short(results, config)], [*_collapsed(results, config)]
    if collapsed:  # a code that says nothing has no other faults
        return found + collapsed
    if config.model.kind == "vsc":
        found += [*_gates(results, config), *_number_on(results, config)]
    return [*found, *_overfitted(results, config)]


def names(findings: Sequence[Finding]) -> str:
    """The names of findings, or ``none``, as in ``results.json``."""
    return ", ".join(finding.name for finding in findings) or "none"


def _too_short(results: Row, config: Config) -> Iterator[Finding]:
    steps, gain = _steps(results, config), results.get("late_gain", 0.0)
    if steps < max(_FEWEST, _ROWS * config.train.log_every):
        says = f"{steps:,} iterations are too few to learn much, or to see whether the bound has settled"
    elif gain > max(_NATS, _STILL_RISING * results.get("kl", 0.0)):
        what = "training bound" if "kl" in results else "log p(x|z) in training"
        says = f"the {what} still rose by {gain:.1f} nats over the last tenth of the {steps:,} iterations"
    else:
        return
    yield Finding("too short", says, {"train.steps": 2 * steps})


def _collapsed(results: Row, config: Config) -> Iterator[Finding]:
    model = config.model
    reasons: list[str] = []
    changes: dict[str, Any] = {}
    if results.get("kl", math.inf) < _COLLAPSED:
        reasons.append(f"the code holds {results['kl']:.2g} nats of an example")
    if model.kind == "vsc" and results.get("used_latents") == 0:
        reasons.append("no latent is on in even 1 % of the examples")
    if model.kind == "ae" and results.get("explained_variance", 1.0) < _UNEXPLAINED:
        reasons.append(f"its output explains {results['explained_variance']:.1%} of the variance")
    if not reasons:
        return
    if model.kind == "vsc" and model.inference_used != "ascent":
        if model.gate == "bernoulli":
            changes["model.gate"] = "concrete"
        if not model.weigh_slab_kl:
            changes["model.weigh_slab_kl"] = True
        if model.beta > 1:
            changes["model.beta"] = 1.0
        if not changes and model.initial_gate_logit < 3:
            changes["model.initial_gate_logit"] = 3.0
    if model.kind == "vsc" and model.active is None and not changes:
        changes["model.active"] = _few(config)
    if model.kind == "vae" and model.beta > 1:
        changes["model.beta"] = 1.0
    if model.kind == "vae" and config.schedule.kl.until < 0.5:
        changes["schedule.kl.until"] = 0.5
    changes["train.learning_rate"] = config.train.learning_rate / 4
    yield Finding("collapsed", " and ".join(reasons), changes)


def _gates(results: Row, config: Config) -> Iterator[Finding]:
    model = config.model
    rarer: dict[str, Any] = {} if model.active is not None else {"model.active": _few(config)}
    if model.inference_used != "ascent" and model.usage_weight_used < _USAGE:
        rarer["model.usage_weight"] = _USAGE
    rarer["train.steps"] = 2 * _steps(results, config)
    used = f"of the {results.get('used_latents', 0):.0f} latents in use"
    if always := results.get("always_on_latents"):
        says = f"{always:.0f} {used} {'is' if always == 1 else 'are'} on in over 95 % of the examples"
        yield Finding("always on", says, rarer)
    if fixed := results.get("fixed_gates"):
        who, vary = ("the gate", "varies") if fixed == 1 else ("the gates", "vary")
        says = f"{who} of {fixed:.0f} {used} hardly {vary} with the example (deviation below .2)"
        yield Finding("fixed gates", says, rarer)


def _steps(results: Row, config: Config) -> int:
    """The number of iterations, also where it was found."""
    return int(results.get("steps", config.train.steps))


def _few(config: Config) -> float:
    """A number on for a sparse code."""
    return float(max(1, round(config.model.rate * config.model.latents))) if config.model.latents > 1 else 0.5


def _number_on(results: Row, config: Config) -> Iterator[Finding]:
    model, on = config.model, results.get("active_per_image")
    if on is None:
        return
    if model.active is not None:
        longer = {"train.steps": 2 * _steps(results, config)}
        says = f"{on:.3g} latents are on in an example, where {model.active:g} were asked for"
        if abs(on / model.active - 1) > _MISSED:
            yield Finding("number on", says, {"model.prior": "fixed"} if model.mixture else longer)
    elif model.alpha is not None and not 0.5 <= on / (asked := model.alpha * model.latents) <= 2:
        says = f"{on:.3g} latents are on in an example, far from alpha times latents, {asked:.3g}"
        yield Finding("number on", says, {"model.active": asked})


def _overfitted(results: Row, config: Config) -> Iterator[Finding]:
    if not {"elbo_median", "train_elbo_median", "median_error", "kl"} <= results.keys():
        return
    gap = results["train_elbo_median"] - results["elbo_median"]
    if gap - 2 * results["median_error"] > max(2 * _NATS, _OVERFITTED * results["kl"]):
        says = f"the bound of the median test example is {gap:.1f} nats below that of a training example"
        changes: dict[str, Any] = {"train.steps": max(_steps(results, config) // 2, 1)}
        if config.train.weight_decay < 0.1:
            changes["train.weight_decay"] = 0.1
        yield Finding("overfitted", says, changes)
