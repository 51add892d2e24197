"""The sentences of a report: templates of the facts of its figures, and of settings and results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from vsc_jax.evaluation.diagnosis import diagnose
from vsc_jax.pages.source import Source, comparable
from vsc_jax.run.model_card import networks


def sentence(name: str, facts: Mapping[str, Any]) -> str:
    """The sentence on a figure, made of its facts; empty if ``sentences.jinja`` has none for it."""
    template = TEMPLATES.get_template("sentences.jinja")
    block = template.blocks.get(name)
    return "" if block is None else " ".join("".join(block(template.new_context(dict(facts)))).split())


def nats(value: float) -> str:
    """A log-likelihood: ``−104.5 nats``."""  # noqa: RUF002
    return f"{value:.1f} nats".replace("-", "−")  # noqa: RUF001


def percent(share: float) -> str:
    """A share: ``12 %``, with a decimal only where it is small; never 0 for what is not; ``−35 %`` too."""  # noqa: RUF002
    value = 100 * float(share)
    if value < 0:
        return "just below 0 %" if value > -1 else f"−{-value:.0f} %"  # noqa: RUF001
    if 0 < value < 0.1:
        return "under 0.1 %"
    if 99.9 < value < 100:
        return "over 99.9 %"
    decimals = 1 if 0 < value < 3 or 97 < value < 100 else 0
    return f"{value:.{decimals}f}".removesuffix(".0") + " %"


def count(number: int, noun: str) -> str:
    """``1 latent``, ``60 latents``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined
)
TEMPLATES.filters |= {"nats": nats, "percent": percent, "count": count}
TEMPLATES.filters["comma"] = lambda number: number if number == "auto" else f"{number:,}"
TEMPLATES.filters["signed"] = lambda value: f"{value:+.1f}".replace("-", "−")  # noqa: RUF001


def what_was_run(source: Source) -> str:
    """The model, its networks and its training in one sentence."""
    config = source.config
    facts = {"config": config, "model": config.model, "networks": networks(config.model)}
    return sentence("what_was_run", facts)


def in_short(source: Source) -> str:
    """What the results say, in one sentence, or two where it has learned nothing; empty without."""
    facts = {"r": source.results, "model": source.config.model}
    return sentence("in_short", facts) if source.results else ""


def findings(source: Source) -> list[str]:
    """What seems wrong with a run, as the command line says it."""
    return [str(finding) for finding in diagnose(source.results, source.config)]


def measured_on(sources: Sequence[Source]) -> str:
    """Which data the results are about, where they are all about the same; empty without results."""
    data = {str(source.results["data"]) for source in sources if "data" in source.results}
    return f"Measured on {data.pop()}." if len(data) == 1 else ""


def trained_on(sources: Sequence[Source]) -> dict[str, str]:
    """The data of each run by its label; one entry without a label if they are the same."""
    described = {s.label: str(s.data.get("description") or s.config.data.name) for s in sources}
    same = set(described.values())
    return {"": same.pop()} if len(same) == 1 else described


def compared(sources: Sequence[Source]) -> str:
    """Which of several runs has the best bound, and by how much; empty where that says nothing."""
    if not comparable(sources):
        return "These runs were measured on different data: their nats must not be compared."
    bounds = sorted(((s.results["elbo"], s.label) for s in sources if "elbo" in s.results), reverse=True)
    if len(bounds) < 2:
        return ""
    (best, first), (second, other), *_ = bounds
    lead = f"{best - second:.1f} above {other}"
    return f"The best true bound is that of {first}, {nats(best)} per example, {lead}."
