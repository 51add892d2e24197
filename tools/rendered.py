"""Run notebooks and write them with their outputs as pages of the documentation.

``python -m tools.rendered embeddings quick_start`` runs these two; without names, all that have a page. The
first cell, which installs vsc_jax, runs and is left out. It needs ``pip install -e '.[notebooks]'``.
"""

import io
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, ExecutePreprocessor
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "notebooks"
_WIDTH, _COLORS = 900, 64  # pixels and colors of a picture, at most
_NOTE = "*The notebook `notebooks/{}.ipynb` with what it printed and drew, without its first cell.*"


def render(name: str) -> int:
    """Run one notebook and write its page and pictures; their size in bytes."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    ExecutePreprocessor(timeout=None).preprocess(notebook, {"metadata": {"path": str(ROOT / "notebooks")}})
    notebook.cells.remove(next(cell for cell in notebook.cells if cell.cell_type == "code"))
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(_NOTE.format(name)))
    for cell in notebook.cells:
        cell.outputs = [part for part in cell.get("outputs", ()) if part.get("name") != "stderr"]
    notebook, _ = CoalesceStreamsPreprocessor(enabled=True).preprocess(notebook, {})
    text, resources = MarkdownExporter().from_notebook_node(notebook, {"unique_key": name})
    for old in PAGES.glob(f"{name}_*.png"):
        old.unlink()
    for file, data in resources["outputs"].items():
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image.thumbnail((_WIDTH, 4 * _WIDTH))
        # No dithering: it makes files larger, and flat areas are what figures have.
        image.quantize(_COLORS, dither=Image.Dither.NONE).save(PAGES / file, optimize=True)
    text = text.replace("![png]", "![A picture of this notebook]").strip("\n") + "\n"
    (PAGES / f"{name}.md").write_text(text)
    return sum(path.stat().st_size for path in PAGES.glob(f"{name}[._]*"))


def main() -> None:
    """Render the notebooks that are named, or all that have a page."""
    for name in sys.argv[1:] or sorted(path.stem for path in PAGES.glob("*.md")):
        if not (ROOT / "notebooks" / f"{name}.ipynb").is_file():
            raise SystemExit(f"error: {name}: no such notebook")
        print(f"docs/notebooks/{name}.md: {render(name) / 1000:.0f} kB with its pictures")


if __name__ == "__main__":
    main()
