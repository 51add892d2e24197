"""The report as Markdown, with its figures as files beside it."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vsc_jax import __version__
from vsc_jax.pages.sentences import in_short, what_was_run
from vsc_jax.pages.source import Source
from vsc_jax.pages.tables import TableRow


def markdown(page: dict[str, Any], file: Callable[[Source, str], str]) -> str:
    """The page of :func:`vsc_jax.pages.write_report`; ``file`` gives the file of a run's figure."""
    return "\n\n".join(part for part in _parts(page, file) if part) + "\n"


def _parts(page: dict[str, Any], file: Callable[[Source, str], str]) -> Iterator[str]:
    runs, headings = page["runs"], page["headings"]
    yield f"# {_escaped(page['title'])}"
    yield _list(f"Left out: {problem}" for problem in page["refused"])
    yield "## What was run"
    for label, description in page["data"].items():
        yield _escaped(f"{label}: {description}" if label else description)
    yield "\n".join(
        f"- **{_escaped(r.label)}**: {_escaped(f'{what_was_run(r)} {in_short(r)}')}" for r in runs
    )
    if page["missing"]:
        yield "Not shown:"
        yield _list(page["missing"])
    yield "## Results"
    yield _escaped(f"{page['measured_on']} {page['means']}".strip())
    for group in page["groups"]:
        yield f"### {_escaped(group.title)}" if group.title else ""
        yield _escaped(group.compared)
        for part in group.tables:
            yield f"**{_escaped(part.title)}**"
            yield _table(part.rows, group.runs)
    yield "## Over all runs" if page["curves"] else ""
    for name, curve in page["curves"].items():
        yield f"### {headings[name]}"
        yield _escaped(curve.sentence)
        yield f"![{headings[name]}](figures/{name}.png)"
    yield "## Figures"
    for name in page["names"]:
        yield f"### {headings[name]}"
        for group in page["groups"]:
            shown = [run for run in group.runs if name in run.figures]
            yield f"#### {_escaped(group.title)}" if group.title and shown else ""
            for run in shown:
                label = f"**{_escaped(run.label)}**: " if len(runs) > 1 else ""
                yield label + _escaped(run.figures[name].sentence)
                yield f"![{headings[name]}, {_escaped(run.label)}]({file(run, name)})"
    yield "## Settings"
    if page["differing"]:
        yield _escaped(page["differing_means"])
        yield _table(page["differing"], runs)
    yield "All others:"
    yield _table(page["common"], runs)
    yield f"Written by vsc_jax {__version__}."


def _list(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {_escaped(line)}" for line in lines)


def _table(rows: Sequence[TableRow], runs: Sequence[Source]) -> str:
    meanings = any(row.text for row in rows)
    lines = [
        ["", *(_escaped(run.label) for run in runs), *[""] * meanings],
        ["---", *["---:"] * len(runs), *["---"] * meanings],
    ]
    for row in rows:
        cells = [f"**{_escaped(cell.text)}**" if cell.marked else _escaped(cell.text) for cell in row.cells]
        lines.append([_escaped(row.name), *cells, *[_escaped(row.text)] * meanings])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*\[\]|<>#])", r"\\\1", text).replace("\n", " ")
