"""The report itself: ``report.html``, one file that needs nothing else, and ``report.md`` with its figures.

Both are Jinja templates beside this module; every value that goes into them is escaped.
"""

import base64
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup, escape
from PIL import Image

from vsc_jax import __version__
from vsc_jax.config.errors import UserError
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.results import as_measured
from vsc_jax.figures import FIGURES, OVERVIEW
from vsc_jax.figures.history import draw_history
from vsc_jax.figures.style import Drawn, as_png
from vsc_jax.pages import curves, sentences
from vsc_jax.pages.latents import latents_page, with_meaning
from vsc_jax.pages.source import Illustration, Source, folder_of, labels, read_source
from vsc_jax.pages.tables import results_tables, settings_rows
from vsc_jax.run import PRETRAINED, Run, open_run
from vsc_jax.training.run_folder import write_file

HEADINGS = {**{name: kind.title for name, kind in FIGURES.items()}, "history": "Training", **curves.TITLES}
"""Headings of all figures, in the order of a report."""


class Written(NamedTuple):
    """What was written, a sentence for each run or part that is missing, and the folders that are no runs."""

    html: Path
    markdown: Path
    problems: list[str]
    refused: list[Path]
    latents: list[Path]


def write_report(
    runs: Sequence[Path | Run] | Mapping[str, Collection[Path | Run]],
    output: Path | None = None,
    *,
    title: str | None = None,
    directory: Path | None = None,
    dataset: Any = None,
    every_figure: bool = True,
    latents: bool = False,
    texts: Sequence[str] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Written:
    """Write ``report.html``, ``report.md`` and ``figures/*.png`` about one run or several.

    ``runs`` are folders, or runs in memory, of which model, ``dataset`` and figures are used as they are; or
    such lists by the headings of their tables. ``output`` is by default a single run's own folder, or
    ``report``, of a pretrained model too; ``directory`` and ``dataset`` are those of
    :meth:`vsc_jax.run.StoredRun.dataset`. Without ``every_figure`` only those are drawn that a run draws when
    it ends. With ``latents`` there is also ``latents.html`` (of several runs one each), with ``texts`` for
    the test examples. A UserError if no run can be read, or one has no latents to show.
    """
    grouped = runs if isinstance(runs, Mapping) else {"": runs}
    given = {folder_of(run): run for members in grouped.values() for run in members}
    if not given:
        raise UserError("expected at least one run folder")
    sources: dict[Path, Source] = {}
    refused = {}
    for (folder, run), name in zip(given.items(), labels(list(given)), strict=True):
        try:
            sources[folder] = read_source(run if isinstance(run, Run) else folder, name)
        except UserError as error:
            refused[folder] = str(error)
    if not sources:
        raise UserError("; ".join(refused.values()))
    read = list(sources.values())
    say = on_stage or (lambda stage: None)
    for source in read:
        say(f"figures of {source.label}")
        view = illustrate(source, directory, dataset, every_figure=every_figure)
        if view is not None and len(read) > 1:
            curves.measure_noise(source, view)
        if latents:
            if view is None:
                raise UserError(f"{source.folder}: no page of its latents: {source.missing[-1]}")
            say(f"latents of {source.label}")
            source.latents = latents_page(with_meaning(view), source.label, texts)
    groups = {
        heading: [sources[folder] for folder in map(folder_of, members) if folder in sources]
        for heading, members in grouped.items()
    }
    page: dict[str, Any] = {
        "title": title or (f"{len(given)} runs side by side" if len(given) > 1 else read[0].label),
        "runs": read,
        "groups": {heading: members for heading, members in groups.items() if members},
        "curves": curves.curves_over(read),
        "missing": _missing(read),
        "refused": list(refused.values()),
        "headings": HEADINGS,
        "version": __version__,
    }
    if output is None:
        output, *others = given
        if others or output.parent == PRETRAINED:
            output = Path("report")
    pages = _write(page, output)
    problems = [*refused.values(), *page["missing"]]
    return Written(output / "report.html", output / "report.md", problems, list(refused), pages)


def illustrate(
    source: Source, directory: Path | None = None, dataset: Any = None, *, every_figure: bool = True
) -> CodeView | None:
    """Draw a run's figures, but for those that a run in memory has drawn; or say why they are missing.

    The view of the model that they show, if there is one.
    """
    run, config = source.run, source.config

    def add(name: str, draw: Callable[[], Drawn]) -> None:
        file = source.folder / "figures" / f"{name}.png"
        if run is not None and name in run.facts and file.is_file():
            png, facts = file.read_bytes(), run.facts[name]
        else:
            figure, facts = draw()
            png = as_png(figure)
        source.figures[name] = Illustration(png, sentences.sentence(name, facts))

    if source.history:
        add("history", lambda: draw_history(source.history))
    else:
        source.missing.append("no training history, as there is no metrics.jsonl: its figure is left out")
    try:
        if run is None:
            stored = open_run(source.folder)
            model, dataset = stored.model(), stored.dataset(dataset, directory=directory)
        else:
            model = run.model
    except UserError as error:
        source.missing.append(f"no figures of the model: {error}")
        return None
    view = CodeView(model, as_measured(dataset, config.data.binarize, config.seed), seed=config.seed)
    for name in FIGURES if every_figure else OVERVIEW:
        reason = FIGURES[name].missing(view)
        if reason is None:
            add(name, partial(FIGURES[name].draw, view))
        elif reason and reason not in source.missing:
            source.missing.append(reason)
    return view


def render_latents(page: Mapping[str, Any]) -> str:
    """The page of latents; ``page`` is what :func:`vsc_jax.pages.latents.latents_page` gives."""
    return _PAGES.get_template("latents.html.jinja").render(page)


def shrunk(png: bytes) -> bytes:
    """A PNG file with at most 256 colors, a quarter of the size and hard to tell apart."""
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    palette = picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()


def _missing(sources: Sequence[Source]) -> list[str]:
    """What is not shown; what several runs lack alike is said once."""
    said = []
    for line in dict.fromkeys(line for source in sources for line in source.missing):
        lacking = [source.label for source in sources if line in source.missing]
        who = "every run" if len(lacking) == len(sources) else ", ".join(lacking)
        said.append(line if len(sources) == 1 else f"{who}: {line}")
    return said


def _write(page: dict[str, Any], output: Path) -> list[Path]:
    """Write figures first and the pages last, each file in one step; the pages of latents."""

    def named(source: Source, name: str) -> str:
        return (re.sub(r"[^\w.-]+", "_", source.label) + "-" if len(page["runs"]) > 1 else "") + name

    def file(source: Source, name: str) -> str:
        return f"figures/{named(source, name)}.png"

    def latents(source: Source) -> str | None:
        name = named(source, "latents.html")
        there = source.folder == output and (output / name).is_file()  # written before
        return name if source.latents is not None or there else None

    page |= {"file": file, "latents": latents}
    files = {file(run, name): figure.png for run in page["runs"] for name, figure in run.figures.items()}
    files |= {f"figures/{name}.png": curve.png for name, curve in page["curves"].items()}
    plain = _PAGES.overlay(finalize=_markdown).get_template("report.md.jinja").render(page)
    files["report.md"] = re.sub(r"\n{3,}", "\n\n", plain).encode()
    for run in page["runs"]:
        if run.latents is not None:
            files[named(run, "latents.html")] = render_latents(run.latents).encode()
    files["report.html"] = _PAGES.get_template("report.html.jinja").render(page).encode()
    try:
        (output / "figures").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_file(output / name, content)
    except OSError as error:
        raise UserError(f"{output}: the report cannot be written there ({error.strerror})") from None
    return [output / named(run, "latents.html") for run in page["runs"] if run.latents is not None]


def _markdown(value: object) -> Markup:
    """A value escaped for Markdown in place of HTML."""
    if isinstance(value, Markup):
        return value
    return Markup(re.sub(r"([\\`*\[\]|<>#])", r"\\\1", str(value)).replace("\n", " "))


_PAGES = sentences.TEMPLATES.overlay(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_PAGES.keep_trailing_newline = True  # which the oldest Jinja's overlay does not take
_PAGES.filters |= {
    "data_uri": lambda png: "data:image/png;base64," + base64.b64encode(shrunk(png)).decode(),
    # A name that may be broken after its underscores and slashes.
    "breakable": lambda label: Markup(re.sub(r"([_/])", r"\1<wbr>", str(escape(label)))),
    "with_figure": lambda sources, name: [source for source in sources if name in source.figures],
    "what_was_run": sentences.what_was_run,
    "in_short": sentences.in_short,
    "findings": sentences.findings,
}
_PAGES.globals |= {
    "compared": sentences.compared,
    "measured_on": sentences.measured_on,
    "trained_on": sentences.trained_on,
    "results_tables": results_tables,
    "settings_rows": settings_rows,
}
