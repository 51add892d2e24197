"""Run notebooks at full size and write them with their outputs as pages of the documentation.

``python -m tools.rendered embeddings quick_start`` runs these two; without names, all that have a page.
Text and code of a page are the notebook's, but for its first cell, which installs vsc_jax.
"""

import ast
import contextlib
import io
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import jupytext
import matplotlib
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "notebooks"
_WIDTH, _COLORS = 900, 64  # pixels and colors of a picture, at most
_CODE, _END = "```python\n", "\n```\n"
_NOTE = (
    "*The notebook `notebooks/{name}.ipynb` with what it printed and drew, without its first cell, which "
    "installs vsc_jax where it is missing.*"
)


def sources(name: str) -> list[tuple[str, str]]:
    """Kind and text of each cell of a notebook but the installing one."""
    cells = jupytext.read(ROOT / "notebooks" / f"{name}.py").cells
    first = next(place for place, cell in enumerate(cells) if cell.cell_type == "code")
    return [(cell.cell_type, cell.source) for place, cell in enumerate(cells) if place != first]


def page(name: str, outputs: list[list[str]]) -> str:
    """The page of a notebook, given Markdown of the outputs of its code cells."""
    parts, given = [], iter(outputs)
    for kind, source in sources(name):
        parts += [source] if kind == "markdown" else [_CODE + source + _END.rstrip("\n"), *next(given)]
        if kind == "markdown" and len(parts) == 1:
            parts.append(_NOTE.format(name=name))
    return "\n\n".join(parts) + "\n"


def outputs_of(text: str, name: str) -> list[list[str]]:
    """The outputs that a page holds; those of other code than the notebook's are not found."""
    found = []
    blocks = [_CODE + source + _END.rstrip("\n") for kind, source in sources(name) if kind == "code"]
    for block in blocks:
        _, there, text = text.partition(block)
        if not there:
            raise ValueError(f"docs/notebooks/{name}.md: no cell {block.splitlines()[1]!r}; {_again(name)}")
        output = re.match(r"(\n\n(```text\n.*?\n```|!\[[^\n]*\)))*", text, re.DOTALL)
        assert output is not None
        found.append([output[0].strip("\n")] if output[0] else [])
        text = text[output.end() :]
    return found


def _again(name: str) -> str:
    return f"python -m tools.rendered {name}"


class _Cells:
    """Runs cells one after the other and keeps what each shows."""

    def __init__(self, name: str):
        self.name, self.pictures = name, 0
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.shown: list[str] = []
        for old in PAGES.glob(f"{name}_*.png"):
            old.unlink()

    def picture(self, file: bytes | io.BytesIO) -> None:
        image = Image.open(io.BytesIO(file) if isinstance(file, bytes) else file).convert("RGB")
        image.thumbnail((_WIDTH, 4 * _WIDTH))
        path = PAGES / f"{self.name}_{self.pictures}.png"
        # No dithering: it makes files larger, and flat areas are what figures have.
        image.quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
        self.pictures += 1
        self.shown.append(f"![Picture {self.pictures} of this notebook]({path.name})")

    def figures(self) -> None:
        import matplotlib.pyplot as plt

        for number in plt.get_fignums():
            file = io.BytesIO()
            plt.figure(number).savefig(file, dpi=100, bbox_inches="tight")  # as a notebook does
            self.picture(file)
        plt.close("all")

    def run(self, source: str) -> list[str]:
        self.shown, printed = [], io.StringIO()
        body = ast.parse(source)
        last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(printed):
            exec(compile(body, self.name, "exec"), self.names)
            value = eval(compile(ast.Expression(last.value), self.name, "eval"), self.names) if last else None
        self.figures()
        if hasattr(value, "_repr_png_"):
            self.picture(value._repr_png_())
        text = printed.getvalue().strip("\n")
        return [f"```text\n{text}\n```"] * bool(text) + self.shown


def render(name: str) -> None:
    """Run one notebook and write its page."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    PAGES.mkdir(exist_ok=True)
    cells = _Cells(name)
    plt.show = lambda: cells.figures()  # matplotlib sets attributes of it
    cells.names |= {"SMOKE": False, "Path": Path}
    exec("import os, shutil, sys, tempfile, jax", cells.names)  # as the first cell does
    page_of = page(name, [cells.run(source) for kind, source in sources(name) if kind == "code"])
    (PAGES / f"{name}.md").write_text(page_of)


def main() -> None:
    """Render the notebooks that are named, or all that have a page."""
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or sorted(path.stem for path in PAGES.glob("*.md")):
        if not (ROOT / "notebooks" / f"{name}.py").is_file():
            raise SystemExit(f"error: {name}: no such notebook")
        render(name)
        size = sum(path.stat().st_size for path in PAGES.glob(f"{name}[._]*"))
        print(f"docs/notebooks/{name}.md: {size / 1000:.0f} kB with its pictures")


if __name__ == "__main__":
    main()
