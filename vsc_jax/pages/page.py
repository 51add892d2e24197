"""The report itself: ``report.html``, one file that needs nothing else, and ``report.md`` with its figures.

The pages are Jinja templates beside this module; every value that goes into them is escaped.
"""

import base64
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from vsc_jax import __version__
from vsc_jax.config.errors import UserError
from vsc_jax.data import Dataset
from vsc_jax.models import Model
from vsc_jax.pages import sweeps
from vsc_jax.pages.illustrations import TITLES, Illustration, illustrate, shrunk
from vsc_jax.pages.source import Source, labels, read_source
from vsc_jax.pages.summary import compared, in_short, measured_on, trained_on, what_was_run
from vsc_jax.pages.tables import Table, TableRow, results_tables, settings_rows

DEFAULT_FOLDER = Path("report")
"""Where the report of several runs goes."""


class Group(NamedTuple):
    """Runs to set side by side, under a heading; a report of one group needs none."""

    title: str
    runs: Sequence[Path]


class Written(NamedTuple):
    """What was written, and what was not.

    Attributes:
      html: the page.
      markdown: the same as Markdown.
      problems: one sentence for each run or part that could not be shown.
      refused: the folders that are no run at all.
    """

    html: Path
    markdown: Path
    problems: list[str]
    refused: list[Path]


@dataclass
class _Run:
    """A run on the page."""

    source: Source
    missing: list[str]
    illustrations: dict[str, Illustration] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def what(self) -> str:
        return what_was_run(self.source)

    @property
    def short(self) -> str:
        return in_short(self.source)


@dataclass
class _Group:
    """A group on the page."""

    title: str
    runs: list[_Run]
    tables: list[Table]
    compared: str

    def with_figure(self, name: str) -> list[_Run]:
        return [run for run in self.runs if name in run.illustrations]


@dataclass
class _Page:
    """All that the templates read."""

    title: str
    groups: list[_Group]
    differing: list[TableRow]
    common: list[TableRow]
    sweeps: list[Illustration]
    refused: list[str]
    headings: dict[str, str]
    version: str = __version__

    @property
    def runs(self) -> list[_Run]:
        return list({run.label: run for group in self.groups for run in group.runs}.values())

    @property
    def data(self) -> dict[str, str]:
        """The data of each run by its label; one entry without a label if they are the same."""
        described = trained_on([run.source for run in self.runs])
        return dict(
            zip([run.label for run in self.runs] if len(described) > 1 else [""], described, strict=True)
        )

    @property
    def measured_on(self) -> str:
        return measured_on([run.source for run in self.runs])

    @property
    def missing(self) -> list[str]:
        """What is not shown; what several runs lack alike is said once."""
        lacking: dict[str, list[str]] = {}
        for run in self.runs:
            for line in run.missing:
                lacking.setdefault(line, []).append(run.label)
        if len(self.runs) == 1:
            return list(lacking)
        every = {line: len(labels) == len(self.runs) for line, labels in lacking.items()}
        return [
            f"{'every run' if every[line] else ', '.join(labels)}: {line}" for line, labels in lacking.items()
        ]

    @property
    def figure_names(self) -> list[str]:
        names = dict.fromkeys(name for run in self.runs for name in run.illustrations)
        return sorted(
            names, key=lambda name: list(self.headings).index(name) if name in self.headings else 99
        )

    @property
    def differing_means(self) -> str:
        """What the settings that stand out have in common."""
        if len(self.runs) > 1:
            return "In these the runs differ:"
        return f"These are not those of the preset {self.runs[0].source.config.name}:"


def write_report(
    runs: Sequence[Path],
    output: Path | None = None,
    *,
    directory: Path | None = None,
    dataset: Any = None,
    trained: tuple[Model, Dataset] | None = None,
    every_figure: bool = True,
    on_stage: Callable[[str], None] | None = None,
) -> Written:
    """Write ``report.html``, ``report.md`` and ``figures/*.png`` about one run or several.

    Args:
      runs: run folders, or folders of saved models.
      output: folder to write to; made when missing. By default a single run's own folder, or ``report``.
      directory: folder with prepared TFDS sets, if not the one that the runs used.
      dataset: data that were given from Python to every run, see :func:`vsc_jax.run.reopen.run_dataset`.
      trained: model and data of a single run, where they are in memory.
      every_figure: False draws only the figures that a run draws when it ends, which is quick.
      on_stage: called with a few words before each part of the work.

    Raises:
      UserError: if no run can be read, or the folder cannot be written.
    """
    if not runs:
        raise UserError("expected at least one run folder")
    if output is None:
        output = runs[0] if len(runs) == 1 else DEFAULT_FOLDER
    title = f"{len(runs)} runs side by side" if len(runs) > 1 else ""
    return write_grouped_report(
        title,
        [Group("", runs)],
        output,
        directory=directory,
        dataset=dataset,
        trained=trained,
        every_figure=every_figure,
        on_stage=on_stage,
    )


def write_grouped_report(
    title: str,
    groups: Sequence[Group],
    output: Path,
    *,
    directory: Path | None = None,
    dataset: Any = None,
    trained: tuple[Model, Dataset] | None = None,
    every_figure: bool = True,
    on_stage: Callable[[str], None] | None = None,
) -> Written:
    """The report of several groups of runs, each with its own table of results.

    Args:
      title: heading of the page; by default the name of the first run.
      groups: runs by group.
      output: folder to write to; made when missing.
      directory: folder with prepared TFDS sets, if not the one that the runs used.
      dataset: data that were given from Python to every run, see :func:`vsc_jax.run.reopen.run_dataset`.
      trained: model and data of a single run, where they are in memory.
      every_figure: False draws only the figures that a run draws when it ends.
      on_stage: called with a few words before each part of the work.

    Raises:
      UserError: if no run can be read, or the folder cannot be written.
    """
    folders = list(dict.fromkeys(folder for group in groups for folder in group.runs))
    names = dict(zip(folders, labels(folders), strict=True))
    read, refused = {}, {}
    for folder in folders:
        try:
            read[folder] = read_source(folder, names[folder])
        except UserError as error:
            refused[folder] = str(error)
    if not read:
        raise UserError("; ".join(refused.values()))
    sources = list(read.values())
    shown = {}
    for folder, source in read.items():
        if on_stage is not None:
            on_stage(f"figures of {source.label}")
        illustrations, missing = illustrate(
            source, directory, dataset=dataset, trained=trained, every_figure=every_figure
        )
        named = {illustration.name: illustration for illustration in illustrations}
        shown[folder] = _Run(source, [*source.missing, *missing], named)
    grouped = [(group.title, [shown[folder] for folder in group.runs if folder in shown]) for group in groups]
    differing, common = settings_rows(sources)
    page = _Page(
        title or sources[0].label,
        [
            _Group(title, members, results_tables(s), compared(s))
            for title, members in grouped
            if members and (s := [run.source for run in members])
        ],
        differing,
        common,
        sweeps.sweeps(sources),
        list(refused.values()),
        TITLES | sweeps.TITLES,
    )
    html, markdown = _write(page, output)
    return Written(html, markdown, page.refused + page.missing, list(refused))


def _write(page: _Page, output: Path) -> tuple[Path, Path]:
    """Write figures first and the pages last, each file in one step."""
    html, markdown = output / "report.html", output / "report.md"
    try:
        (output / "figures").mkdir(parents=True, exist_ok=True)
        for run in page.runs:
            prefix = "" if len(page.runs) == 1 else re.sub(r"[^\w.-]+", "_", run.label) + "-"
            for name, illustration in run.illustrations.items():
                run.files[name] = f"figures/{prefix}{name}.png"
                _replace(output / run.files[name], illustration.png)
        for illustration in page.sweeps:
            _replace(output / "figures" / f"{illustration.name}.png", illustration.png)
        _replace(
            markdown, _environment(markdown=True).get_template("report.md.jinja").render(page=page).encode()
        )
        _replace(html, _environment().get_template("report.html.jinja").render(page=page).encode())
    except OSError as error:
        raise UserError(f"{output}: the report cannot be written there ({error.strerror})") from None
    return html, markdown


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _environment(*, markdown: bool = False) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=not markdown,
        finalize=_finalize_markdown if markdown else None,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "breakable": _breakable, "table": _markdown_table}
    return environment


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(shrunk(png)).decode()


def _breakable(label: str) -> Markup:
    """A name that may be broken after its underscores and slashes."""
    return Markup(re.sub(r"([_/])", r"\1<wbr>", str(escape(label))))


def _markdown_table(rows: Sequence[TableRow], runs: Sequence[_Run]) -> Markup:
    meanings = any(row.text for row in rows)
    lines = [
        ["", *(run.label for run in runs), *[""] * meanings],
        ["---", *["---:"] * len(runs), *["---"] * meanings],
    ]
    for row in rows:
        cells = [f"**{_escaped(cell.text)}**" if cell.marked else _escaped(cell.text) for cell in row.cells]
        lines.append([_escaped(row.name), *cells, *[_escaped(row.text)] * meanings])
    return Markup("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _finalize_markdown(value: Any) -> Any:
    """Escape what a template puts into Markdown, but for what is Markdown already."""
    return _escaped(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*\[\]|<>#])", r"\\\1", text).replace("\n", " ")
