"""The tables of a report: results and settings with the runs side by side."""

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vsc_jax.config import Ramp, load_preset, preset_names
from vsc_jax.evaluation.glossary import by_group, explain, format_value
from vsc_jax.pages.source import Source, comparable

ABSENT = "–"  # noqa: RUF001 (a dash, in a cell that has no value)
_HIGHER = re.compile(
    "elbo|iwae|explained_variance|attributes_found|factor_vae"
    "|(probe|neighbour|gate_auc|attribute|feature|denoising_explained|same_support)_.*"
)
_LOWER = re.compile("mse|mse_sample|denoising_mse_.*")


class Cell(NamedTuple):
    """One value as it is printed, and whether it stands out: best of its row, or a setting that differs."""

    text: str
    marked: bool = False


class TableRow(NamedTuple):
    """A result or a setting: its name, what it means, and its value in every run."""

    name: str
    text: str
    cells: list[Cell]


def results_tables(sources: Sequence[Source]) -> dict[str, list[TableRow]]:
    """The results of all runs by heading, in the order of ``vsc_jax.evaluation.glossary``."""
    rows = {}
    for name in dict.fromkeys(name for source in sources for name in source.results):
        values = [source.results.get(name) for source in sources]
        known, best = explain(name), _best(name, sources)
        cells = [Cell(ABSENT if v is None else _number(name, v), v is not None and v == best) for v in values]
        rows[name] = TableRow(name, known.text if known else "", cells)
    return {heading: [rows[name] for name in names] for heading, names in by_group(rows).items()}


def settings_rows(sources: Sequence[Source]) -> tuple[list[TableRow], list[TableRow]]:
    """Settings in which the runs differ, or a single run from its preset, and all others."""
    flat = [dict(_settings(source.config)) for source in sources]
    name = sources[0].config.name
    preset = dict(_settings(load_preset(name))) if len(sources) == 1 and name in preset_names() else None
    rows: tuple[list[TableRow], list[TableRow]] = ([], [])
    for name, usual in (preset or flat[0]).items():
        values = [settings[name] for settings in flat]
        differs = any(value != usual for value in values)
        text = f"preset: {usual}" if differs and preset else ""
        rows[not differs].append(TableRow(name, text, [Cell(value, differs) for value in values]))
    return rows


def _number(name: str, value: Any) -> str:
    text = format_value(name, value) if isinstance(value, int | float | str) else str(value)
    return text.replace("-", "−") if isinstance(value, int | float) else text  # noqa: RUF001


def _best(name: str, sources: Sequence[Source]) -> float | None:
    pick = max if _HIGHER.fullmatch(name) else min if _LOWER.fullmatch(name) else None
    measured = [source for source in sources if name in source.results]
    values = [source.results[name] for source in measured]
    if pick is None or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return None
    alike = comparable(measured) and (name != "iwae" or comparable(measured, "iwae_samples"))
    return float(pick(values)) if alike and len(set(values)) > 1 else None


def _settings(part: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its name on the command line, and its value in words."""
    for field in dataclasses.fields(part):
        value, name = getattr(part, field.name), prefix + field.name
        if dataclasses.is_dataclass(value) and not isinstance(value, Ramp):
            yield from _settings(value, f"{name}.")
        else:
            yield name, _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, Ramp):
        if value.start == value.end or (value.begin == value.until == 0):
            return f"{value.end:g}"
        if value.begin == value.until:
            return f"{value.start:g}, from {value.begin:.0%} of the run on {value.end:g}"
        return f"{value.start:g} to {value.end:g} from {value.begin:.0%} to {value.until:.0%} of the run"
    if value is None or value == ():
        return ABSENT
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
