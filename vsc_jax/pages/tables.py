"""The tables of a report: results and settings with the runs side by side."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from vsc_jax.config import Config, Ramp, load_preset, preset_names, to_dict
from vsc_jax.evaluation.glossary import GLOSSARY, explain, format_value
from vsc_jax.pages.sentences import comparable
from vsc_jax.pages.source import Source

ABSENT = "–"  # noqa: RUF001 (a dash, in a cell that has no value)

_HIGHER = ("elbo", "iwae", "explained_variance", "attributes_found", "factor_vae")
_HIGHER_FAMILIES = ("probe_", "neighbour_", "gate_auc_", "attribute_", "feature_", "denoising_explained_")
_LOWER = ("mse", "mse_sample")
_LOWER_FAMILIES = ("denoising_mse_",)


class Cell(NamedTuple):
    """One value as it is printed, and whether it stands out: best of its row, or a setting that differs."""

    text: str
    marked: bool = False


class TableRow(NamedTuple):
    """A result or a setting: its name, what it means, and its value in every run."""

    name: str
    text: str
    cells: list[Cell]


class Table(NamedTuple):
    """Rows under a heading."""

    title: str
    rows: list[TableRow]


def results_tables(sources: Sequence[Source]) -> list[Table]:
    """The results of all runs by group, in the order of ``vsc_jax.evaluation.glossary``.

    The best value of a row is marked where there is a better and a worse and the data are the same.
    """
    names = {name for source in sources for name in source.results}
    order = list(GLOSSARY)
    groups: dict[str, list[TableRow]] = {known.group: [] for known in GLOSSARY.values()}
    for name in sorted(names, key=lambda name: (order.index(name) if name in GLOSSARY else len(order), name)):
        values = [source.results.get(name) for source in sources]
        known, best = explain(name), _best(name, sources)
        cells = [Cell(ABSENT if v is None else _number(name, v), v is not None and v == best) for v in values]
        row = TableRow(name, known.text if known else "", cells)
        groups.setdefault(known.group if known else "Other", []).append(row)
    return [Table(title, rows) for title, rows in groups.items() if rows]


def settings_rows(sources: Sequence[Source]) -> tuple[list[TableRow], list[TableRow]]:
    """The resolved configurations: settings that stand out, and all others.

    For several runs those stand out in which they differ; for a single run, those that are not its preset's.
    """
    flat = [dict(_flat(source.config)) for source in sources]
    name = sources[0].config.name
    preset = dict(_flat(load_preset(name))) if len(sources) == 1 and name in preset_names() else None
    others = preset or flat[0]
    standing_out: list[TableRow] = []
    rest: list[TableRow] = []
    for name in flat[0]:
        values = [settings[name] for settings in flat]
        differs = any(value != others[name] for value in values)
        text = f"preset: {others[name]}" if differs and preset else ""
        row = TableRow(name, text, [Cell(value, differs) for value in values])
        (standing_out if differs else rest).append(row)
    return standing_out, rest


def _number(name: str, value: Any) -> str:
    text = format_value(name, value) if isinstance(value, int | float | str) else str(value)
    return text.replace("-", "−") if isinstance(value, int | float) else text  # noqa: RUF001


def _best(name: str, sources: Sequence[Source]) -> float | None:
    pick = None
    if name in _HIGHER or name.startswith(_HIGHER_FAMILIES):
        pick = max
    elif name in _LOWER or name.startswith(_LOWER_FAMILIES):
        pick = min
    measured = [source for source in sources if name in source.results]
    values = [source.results[name] for source in measured]
    numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    if pick is None or len(values) < 2 or not numbers or not comparable(measured):
        return None
    if name == "iwae" and len({source.results.get("iwae_samples") for source in measured}) > 1:
        return None
    return None if len(set(values)) == 1 else float(pick(values))


def _flat(config: Config) -> Iterable[tuple[str, str]]:
    """Every setting by its name on the command line, and its value in words."""
    for section, plain in to_dict(config).items():
        part = getattr(config, section)
        for name, value in plain.items() if dataclasses.is_dataclass(part) else [("", plain)]:
            item = getattr(part, name) if name else None
            text = _ramp(item) if isinstance(item, Ramp) else _in_words(value)
            yield f"{section}.{name}" if name else section, text


def _in_words(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, list):
        return " ".join(map(str, value)) or ABSENT
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ramp(ramp: Ramp) -> str:
    if ramp.start == ramp.end or (ramp.begin == ramp.until == 0):
        return f"{ramp.end:g}"
    if ramp.begin == ramp.until:
        return f"{ramp.start:g}, from {ramp.begin:.0%} of the run on {ramp.end:g}"
    return f"{ramp.start:g} to {ramp.end:g} from {ramp.begin:.0%} to {ramp.until:.0%} of the run"
