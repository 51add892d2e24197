"""The notebooks' pages in the documentation, with outputs, are those of the notebooks as they are now."""

import re
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "notebooks"
NAMES = sorted(path.stem for path in PAGES.glob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_text_and_the_code_of_its_notebook(name):
    cells = jupytext.read(ROOT / "notebooks" / f"{name}.py").cells
    installing = next(cell for cell in cells if cell.cell_type == "code")
    rest = (PAGES / f"{name}.md").read_text()
    for cell in cells:
        if cell is not installing:
            code = cell.cell_type == "code"
            before, found, rest = rest.partition(f"```python\n{cell.source}\n```" if code else cell.source)
            assert found, f"python -m tools.rendered {name}: {cell.source[:60]}"
            assert "```python" not in before
    assert "```python" not in rest


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_those_of_the_page_and_small(name):
    shown = set(re.findall(r"!\[[^\n]*\]\((.+?)\)", (PAGES / f"{name}.md").read_text()))
    files = {path.name: path.stat().st_size for path in PAGES.glob(f"{name}_[0-9]*.png")}
    assert shown == set(files)
    assert sum(files.values()) < 250_000


def test_every_page_is_in_the_menu_and_in_the_list():
    menu, listed = (ROOT / "mkdocs.yml").read_text(), (ROOT / "docs" / "notebooks.md").read_text()
    for name in NAMES:
        assert f"notebooks/{name}.md" in menu
        assert f"[`{name}`](notebooks/{name}.md)" in listed
    assert {path.stem.rsplit("_", 2)[0] for path in PAGES.glob("*.png")} <= set(NAMES)
